//! Live views are rebuilt views, whatever happened to the projector on the way.

use std::path::Path;
use std::time::Duration;

use eai_core::ids::{JobId, RoleId, ServiceId, UserId};
use eai_core::log::Log;
use eai_core::service::Command;
use eai_projections::open;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::jobs;
use super::server::Server;
use super::support::{
    Running, add_member, add_user, ask, copy, dump, new_account, new_data, new_role, new_service,
};

/// Executes commands drawn from a seed.
pub(super) struct Random {
    rng: StdRng,
    tag: u64,
    services: Vec<ServiceId>,
    roles: Vec<RoleId>,
    jobs: Vec<JobId>,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            tag: 0,
            services: Vec::new(),
            roles: Vec::new(),
            jobs: Vec::new(),
        }
    }

    pub(super) async fn step(&mut self, log: &Log) {
        self.tag += 1;
        let name = format!("n{}", self.tag);
        match self.rng.random_range(0..18) {
            0..2 => self.services.push(new_service(log, &name).await),
            2 => drop(new_data(log, &name).await),
            3 => self
                .roles
                .push(new_role(log, &name, &["data:read@snow.*"]).await),
            4 if !self.roles.is_empty() => {
                let role = self.roles[self.rng.random_range(0..self.roles.len())];
                let user = UserId(Uuid::from_u128(self.rng.random_range(0..5)));
                add_member(log, role, user).await;
            }
            5..10 if !self.jobs.is_empty() => {
                let job = self.jobs[self.rng.random_range(0..self.jobs.len())];
                jobs::go_on(log, job, self.rng.random_range(0..6)).await;
            }
            10..15 if !self.services.is_empty() => {
                let service = self.services[self.rng.random_range(0..self.services.len())];
                if self.rng.random_bool(0.4) {
                    jobs::revise(log, service, self.rng.random_range(0..2)).await;
                }
                self.jobs.extend(jobs::request(log, service).await);
            }
            _ if !self.services.is_empty() => {
                let service = self.services[self.rng.random_range(0..self.services.len())];
                let commands = [
                    Command::Start,
                    Command::Stop,
                    Command::Deactivate,
                    Command::Reactivate,
                ];
                let command = commands[self.rng.random_range(0..4)].clone();
                // A deactivated service does not start: it is brought back first.
                if matches!(command, Command::Start) {
                    ask(log, service, Command::Reactivate).await;
                }
                ask(log, service, command).await;
            }
            _ => self.services.push(new_service(log, &name).await),
        }
    }
}

/// What a fold of the whole log in one go gives.
async fn folded_anew(log: &Log) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), log).await;
    running.caught_up(log).await;
    running.stop().await;
    dump(folder.path()).await
}

async fn stopped(directory: &Path, log: &Log) {
    let running = Running::start(directory, log).await;
    running.caught_up(log).await;
    assert_eq!(running.views.halted(), None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_rows_are_rebuilt_rows() {
    for seed in 1..=3 {
        let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
        let log = server.log().await;
        let running = Running::start(folder.path(), &log).await;
        let (account, _) = new_account(&log).await;
        add_user(&log, account, "ann").await;
        let mut random = Random::new(seed);
        for _ in 0..60 {
            random.step(&log).await;
        }
        let last = running.caught_up(&log).await;
        let live = dump(folder.path()).await;
        assert_eq!(live, folded_anew(&log).await, "seed {seed}");

        let rebuilt = running.store.rebuild(&log).await.unwrap();
        assert_eq!((rebuilt.events, rebuilt.sequence), (last, last));
        assert_eq!(live, dump(folder.path()).await, "seed {seed}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_that_is_ended_anywhere_goes_on_exactly_there() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let mut random = Random::new(7);
    for _ in 0..150 {
        random.step(&log).await;
    }
    let mut ends = StdRng::seed_from_u64(8);
    let mut store = open(folder.path()).await.unwrap();
    let mut between = 0;
    for round in 0..60 {
        let last = log.last_sequence().await.unwrap();
        let running = Running::of(store.clone(), &log);
        let moment = Duration::from_micros(ends.random_range(0..10_000));
        drop(tokio::time::timeout(moment, running.caught_up(&log)).await);
        // Half of them are aborted where they are, and half of those go on with the same connection.
        match round % 4 {
            0 | 1 => running.abort().await,
            _ => running.stop().await,
        }
        let reached = store.views().sequence();
        assert_eq!(store.views().halted(), None, "round {round}");
        between += usize::from(reached > 0 && reached < last);
        if round % 2 == 0 {
            drop(store);
            store = open(folder.path()).await.unwrap();
        }
        if reached == last {
            random.step(&log).await;
        }
    }
    drop(store);
    stopped(folder.path(), &log).await;
    assert_eq!(
        dump(folder.path()).await,
        folded_anew(&log).await,
        "{between} ends in between"
    );
}

#[tokio::test]
async fn an_older_copy_of_the_views_catches_up_exactly() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let mut random = Random::new(11);
    let mut copies = Vec::new();
    let live = folder.path().join("live");
    for age in 0..4 {
        for _ in 0..8 {
            random.step(&log).await;
        }
        stopped(&live, &log).await;
        let older = folder.path().join(age.to_string());
        copy(&live, &older);
        copies.push(older);
    }
    for older in copies {
        stopped(&older, &log).await;
        assert_eq!(dump(&older).await, dump(&live).await, "{older:?}");
    }
}

#[tokio::test]
async fn a_projector_outlives_the_log_server() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let mut random = Random::new(13);
    for _ in 0..5 {
        random.step(&log).await;
    }
    stopped(folder.path(), &log).await;
    // It begins up to date, so nothing was received when the server goes.
    let running = Running::start(folder.path(), &log).await;
    for _ in 0..2 {
        server.kill();
        server.up();
        random.step(&log).await;
        random.step(&log).await;
        running.caught_up(&log).await;
        assert_eq!(running.views.halted(), None);
    }
    running.stop().await;
    assert_eq!(dump(folder.path()).await, folded_anew(&log).await);
}
