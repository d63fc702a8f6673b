use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const LEASE: Duration = Duration::from_secs(10);
/// Two seconds, as the terms have it.
const PAUSE: u64 = 2;

fn executor(epoch: u32, heard: Option<u64>) -> Watched {
    Watched {
        id: ExecutorId(Uuid::from_u128(1)),
        epoch,
        heard: heard.map(Duration::from_secs),
    }
}

struct Watcher {
    leases: Leases,
    now: u64,
    breaks: u64,
    own: Option<u64>,
}

impl Watcher {
    fn new() -> Self {
        Self {
            leases: Leases::new(Terms::new(LEASE)),
            now: 100,
            breaks: 0,
            own: None,
        }
    }

    /// Looks after `pause` seconds; whether the executor is lost.
    fn look(&mut self, pause: u64, watched: Watched) -> bool {
        self.now += pause;
        let lost = self.leases.look(Look {
            now: Duration::from_secs(self.now),
            breaks: self.breaks,
            own: self.own.map(Duration::from_secs),
            executors: &[watched],
        });
        // It hears at once what it says now.
        self.own = Some(self.now);
        !lost.is_empty()
    }

    /// How many seconds from now on the executor has to be silent to be lost.
    fn until_lost(&mut self, epoch: u32, heard: Option<u64>) -> u64 {
        let from = self.now;
        while !self.look(PAUSE, executor(epoch, heard)) {
            assert!(self.now - from < 1000, "it is never lost");
        }
        self.now - from
    }
}

#[test]
fn one_that_was_never_heard_is_lost_after_a_lease() {
    let mut watcher = Watcher::new();
    assert_eq!(watcher.until_lost(1, None), 14);
}

#[test]
fn one_that_is_heard_is_never_lost() {
    let mut watcher = Watcher::new();
    for _ in 0..100 {
        let heard = executor(1, Some(watcher.now));
        assert!(!watcher.look(PAUSE, heard));
    }
    let heard = watcher.now;
    assert_eq!(watcher.until_lost(1, Some(heard)), 12);
}

#[test]
fn a_watcher_that_slept_begins_again() {
    let mut watcher = Watcher::new();
    for _ in 0..5 {
        assert!(!watcher.look(PAUSE, executor(1, None)));
    }
    assert!(!watcher.look(1000, executor(1, None)));
    assert_eq!(watcher.until_lost(1, None), 12);
}

#[test]
fn a_connection_that_broke_begins_again() {
    let mut watcher = Watcher::new();
    for _ in 0..5 {
        assert!(!watcher.look(PAUSE, executor(1, None)));
    }
    watcher.breaks += 1;
    assert!(!watcher.look(PAUSE, executor(1, None)));
    assert_eq!(watcher.until_lost(1, None), 12);
}

#[test]
fn a_server_that_carries_nothing_stops_the_clock() {
    let mut watcher = Watcher::new();
    for _ in 0..100 {
        watcher.own = None;
        assert!(!watcher.look(PAUSE, executor(1, None)));
    }
    assert_eq!(watcher.until_lost(1, None), 12);
}

#[test]
fn a_new_epoch_has_a_lease_of_its_own() {
    let mut watcher = Watcher::new();
    for _ in 0..6 {
        assert!(!watcher.look(PAUSE, executor(1, None)));
    }
    assert!(!watcher.look(PAUSE, executor(2, None)));
    assert_eq!(watcher.until_lost(2, None), 12);
}

/// What happens to the watcher between two looks.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Sleep(u64),
    Break,
    Mute,
    Heard,
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        12 => Just(Between::Nothing),
        1 => (5_u64..100).prop_map(Between::Sleep),
        1 => Just(Between::Break),
        1 => Just(Between::Mute),
        2 => Just(Between::Heard),
    ]
}

proptest! {
    /// Whatever happens: who is lost was silent for a lease in which nothing disturbed the watcher.
    #[test]
    fn nobody_is_lost_for_what_befell_the_watcher(story in prop::collection::vec(between(), 1..200)) {
        let mut watcher = Watcher::new();
        let (mut disturbed, mut heard) = (watcher.now, None);
        for between in story {
            let mut pause = PAUSE;
            match between {
                Between::Nothing => {}
                Between::Sleep(seconds) => pause = seconds,
                Between::Break => watcher.breaks += 1,
                Between::Mute => watcher.own = None,
                Between::Heard => heard = Some(watcher.now),
            }
            let lost = watcher.look(pause, executor(1, heard));
            if !matches!(between, Between::Nothing | Between::Heard) {
                disturbed = watcher.now;
            }
            let silent = watcher.now - disturbed.max(heard.unwrap_or_default());
            prop_assert!(!lost || silent > LEASE.as_secs(), "lost after {silent} s");
        }
    }
}

#[test]
fn an_ear_has_heard_everything_since_it_was_last_disturbed() {
    let second = Duration::from_secs;
    let mut ear = Ear::new(second(1));
    assert_eq!(ear.heard_for(second(9), 0), Duration::ZERO, "nobody looked");
    for now in 10..20 {
        // It hears at once what it says when it is looked after.
        ear.look(second(now), 0, (now > 10).then(|| second(now - 1)));
    }
    assert_eq!(ear.heard_for(second(20), 0), second(10));
    assert_eq!(ear.heard_for(second(20), 1), Duration::ZERO, "it broke");
    assert_eq!(ear.heard_for(second(22), 0), Duration::ZERO, "it slept");
    ear.look(second(20), 0, Some(second(18)));
    assert_eq!(ear.heard_for(second(21), 0), second(1), "it was deaf");
}
