use std::thread;

use super::*;

#[test]
fn a_team_knows_its_barrier_latency() {
    let pool = Pool::default();
    for _ in 0..100 {
        assert_eq!(pool.team(1, true).barrier_latency(), None, "alone");
        for size in [2, 3] {
            let mut team = pool.team(size, true);
            assert!(team.measure_barrier().is_none_or(|time| time > Duration::ZERO));
            assert!(team.barrier_latency().is_none_or(|time| time > Duration::ZERO));
        }
    }
    let measured = (0..1000).find_map(|_| pool.team(2, true).measure_barrier());
    assert!(measured.is_some(), "the other comes in time at least once");
}

#[test]
fn every_member_runs_once_and_meets_at_the_barrier() {
    let pool = Pool::default();
    for size in [1, 2, 3, 8] {
        for _ in 0..200 {
            let mut team = pool.team(size, true);
            let size = team.size();
            let (before, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
            team.run(usize::MAX, |member| {
                for round in 1..=5 {
                    before.fetch_add(1, Ordering::SeqCst);
                    member.wait();
                    if before.load(Ordering::SeqCst) != round * size {
                        wrong.fetch_add(1, Ordering::SeqCst);
                    }
                    member.wait();
                }
            });
            assert_eq!(before.into_inner(), 5 * size);
            assert_eq!(wrong.into_inner(), 0);
        }
    }
}

#[test]
fn a_member_can_end_the_run_for_all() {
    let pool = Pool::default();
    for who in 0..3 {
        let steps = AtomicUsize::new(0);
        pool.team(3, true).run(usize::MAX, |member| {
            while !member.stopped() {
                steps.fetch_add(1, Ordering::SeqCst);
                if member.index == who && steps.load(Ordering::SeqCst) > 100 {
                    member.stop();
                    return;
                }
                member.wait();
            }
        });
        assert!(steps.into_inner() > 100);
    }
}

#[test]
fn every_part_is_done_once() {
    let pool = Pool::default();
    for size in [1, 2, 3, 8] {
        for parts in [0, 1, 2, 7, 100] {
            let done: Vec<_> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
            pool.team(size, true).share(parts, |part| {
                done[part].fetch_add(1, Ordering::SeqCst);
            });
            assert!(done.into_iter().all(|count| count.into_inner() == 1), "{size} {parts}");
        }
    }
}

#[test]
fn a_panic_in_a_part_reaches_the_caller() {
    let pool = Pool::default();
    for _ in 0..20 {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.team(3, true).share(10, |part| assert!(part != 4, "part {part}"));
        }));
        assert!(caught.is_err());
    }
}

#[test]
fn a_busy_pool_gives_a_team_of_one() {
    let pool = Pool::default();
    let first = pool.team(2, true);
    assert_eq!((first.size(), pool.team(2, true).size()), (2, 1));
    drop(first);
    assert_eq!(pool.team(2, true).size(), 2);
}

#[test]
fn sleeping_threads_are_woken_on_demand_only() {
    let pool = Pool::default();
    drop(pool.team(2, true));
    let asleep = || pool.workers.lock().unwrap().asleep(2);
    while !asleep() {
        thread::yield_now();
    }
    assert_eq!(pool.team(2, false).size(), 1);
    assert_eq!(pool.team(2, true).size(), 2);
    // It sleeps again soon, so it may have to be woken more than once to be seen awake.
    while asleep() {
        pool.rouse(2);
    }
}

#[test]
fn a_busy_pool_shrinks_when_its_team_has_ended() {
    let pool = Pool::default();
    let threads = |pool: &Pool| pool.workers.lock().unwrap().len();
    let team = pool.team(4, true);
    pool.shrink(2); // does not wait for the team
    assert_eq!(team.size(), 4);
    drop(team);
    assert_eq!(threads(&pool), 1);
    drop(pool.team(2, true));
    assert_eq!(threads(&pool), 2);
    pool.shrink(1);
    assert_eq!(threads(&pool), 1);
}

#[test]
fn a_panic_of_any_member_reaches_the_caller_and_the_pool_lives_on() {
    let pool = Pool::default();
    for who in 0..3 {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.team(3, true).run(usize::MAX, |member| {
                assert!(member.index != who, "member {who}");
                member.wait();
            });
        }));
        assert!(caught.is_err());
    }
    let ran = AtomicUsize::new(0);
    pool.team(3, true).run(usize::MAX, |_| {
        ran.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(ran.into_inner(), 3);
    pool.shrink(1);
}

#[test]
fn shares_are_whole_and_disjoint() {
    let barrier = Barrier::default();
    for (len, grain, size) in [(10, 1, 3), (10, 4, 3), (0, 4, 2), (3, 8, 2), (64, 16, 3)] {
        let mut next = 0;
        for index in 0..size {
            let share = Member { index, size, barrier: &barrier }.share(len, grain);
            assert_eq!(share.start, next);
            next = share.end;
        }
        assert_eq!(next, len);
    }
}
