//! The beginning and end of an environment.

use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::background::{block, queue};
use crate::env::context;

/// Counts the environment in, and out when it ends; its tasks are cancelled first. It must not fail: the loader would
/// report that it found no addon.
#[napi(module_exports)]
pub fn init(_exports: Object, env: Env) -> Result<()> {
    context::enter();
    env.add_env_cleanup_hook(env.raw() as usize, |environment| {
        queue::end(environment);
        if let Some(context) = context::leave() {
            // Without the lock: the threads of the tasks hold the context too.
            queue::join();
            block::free_all();
            drop(context); // joins the threads of its pool
        }
    })?;
    Ok(())
}
