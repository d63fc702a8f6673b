//! Guesses of tokens and keys, in all the ways in which they may come.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, COOKIE, HOST};
use tokio::task::JoinSet;

use crate::api::stock;
use crate::platform::Platform;

/// Stands in each of them, so that it is found where it was written.
pub(super) const MARK: &str = "gue55edt0ken";
/// At a time.
const CLIENTS: usize = 8;

/// Guesses so often; how many were let in, or got no answer.
pub(super) fn run(
    platform: &Platform,
    host: &str,
    count: usize,
    seed: u64,
) -> impl Future<Output = (usize, usize)> + Send + 'static {
    let (api, service) = (platform.url("/v1/me"), platform.url("/"));
    let (host, good) = (host.to_owned(), platform.token());
    async move {
        let mut guessing = JoinSet::new();
        for number in 0..CLIENTS {
            let client = stock().build().expect("a client");
            let mut random = StdRng::seed_from_u64(seed + number as u64);
            let (api, service, host, good) =
                (api.clone(), service.clone(), host.clone(), good.clone());
            guessing.spawn(async move {
                let mut let_in = 0;
                let share = count / CLIENTS;
                for _ in 0..share {
                    let request = if random.random() {
                        client.get(&api)
                    } else {
                        client.get(&service).header(HOST, &host)
                    };
                    let answer = with_guess(request, &good, &mut random).send().await;
                    let status = answer.map_or(0, |answer| answer.status().as_u16());
                    let_in += usize::from(status != 401);
                }
                (share, let_in)
            });
        }
        let mut sum = (0, 0);
        while let Some(done) = guessing.join_next().await {
            let (share, let_in) = done.expect("no panic");
            sum = (sum.0 + share, sum.1 + let_in);
        }
        sum
    }
}

fn with_guess(request: RequestBuilder, good: &str, random: &mut StdRng) -> RequestBuilder {
    let (head, rest) = good.split_once('.').expect("a signed token");
    let number: u64 = random.random();
    let guess = match number % 5 {
        0 => format!("{MARK}{number}"),
        1 => format!("eai_key_{number:064x}"),
        // Somebody else's signature, or none.
        2 => format!("{head}.{MARK}{number}.{MARK}"),
        3 => format!(
            "{head}.{}.{MARK}{number}",
            rest.split('.').next().unwrap_or_default()
        ),
        _ => return request.header(COOKIE, format!("eai_session={head}.{MARK}{number}.x")),
    };
    request.header(AUTHORIZATION, format!("Bearer {guess}"))
}
