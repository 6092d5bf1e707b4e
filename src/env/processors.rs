//! How many threads compute if nobody says.

use std::thread;

/// The number of processors that this process may use; on Apple silicon of those the performance cores: the threads of a step
/// meet at a barrier, and would wait for an efficiency core's.
pub(crate) fn default_threads() -> usize {
    let available = thread::available_parallelism().map_or(1, Into::into);
    performance_cores().map_or(available, |cores| cores.min(available))
}

/// The cores of level 0, the fastest, of a machine that has several levels.
#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
fn performance_cores() -> Option<usize> {
    use std::ptr;

    let mut cores: libc::c_int = 0;
    let mut size = size_of_val(&cores);
    // SAFETY: the name ends with a zero byte; the value is written to `cores`, whose size is given; nothing is set.
    let status = unsafe {
        libc::sysctlbyname(
            c"hw.perflevel0.physicalcpu".as_ptr(),
            (&raw mut cores).cast(),
            &raw mut size,
            ptr::null_mut(),
            0,
        )
    };
    // In a virtual machine there may be no levels.
    usize::try_from(cores).ok().filter(|&cores| status == 0 && cores > 0)
}

#[cfg(not(all(target_os = "macos", target_arch = "aarch64")))]
fn performance_cores() -> Option<usize> {
    None
}
