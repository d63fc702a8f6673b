//! An executor dies at each place of a job's life, and another one takes over: each run has one end, none begins
//! twice, and nothing is left of what the dead one had.

use std::time::Duration;

use eai_tests::{
    Backend, Other, Platform, Service, Setup, executors, is, story, text, until, until_async,
    until_executor,
};

const LEASE: Duration = Duration::from_secs(2);

/// How the job stands in the log when its executor dies at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// It is to begin, or began.
    Alive,
    /// It exited, and the log does not know.
    Exited,
    /// It exited, and the log knows.
    Settled,
}

impl Death {
    fn at(place: &str) -> Self {
        match place {
            "executor.ended" => Self::Exited,
            "executor.settled" => Self::Settled,
            _ => Self::Alive,
        }
    }
}

async fn until_answered(service: &Service) {
    until_async("an answer", async || match service.get("/").await {
        answer if answer.status == 200 => Ok(()),
        answer => Err(answer.text()),
    })
    .await;
}

async fn another_takes_over(place: &'static str, backend: Backend) {
    let flags = ["--executor-lease", "2s", "--request-wait", "20s"];
    let platform = Platform::start_with(Setup::flags(flags).on(backend));
    let own = executors(&platform).into_keys().next().expect("one");
    platform.cli(["executor", "drain", &own]).ok();
    let mut other = Other::fail_point(&platform, "a", LEASE, place);
    until_executor(&platform, &other.id(), is("active"));
    let service = Service::web(&platform, "web", &[]);
    let asked = tokio::spawn({
        let service = service.clone();
        async move {
            drop(service.try_get("/").await);
            if Death::at(place) != Death::Alive {
                drop(service.try_get("/exit?0").await);
            }
        }
    });
    until_async("the executor to die", async || {
        other.has_ended().then_some(()).ok_or("it lives")
    })
    .await;
    other.wait();

    // Nobody has heard of it for a lease: its run is over, and the next one is another's.
    platform.cli(["executor", "undrain", &own]).ok();
    until_executor(&platform, &other.id(), is("lost"));
    until_answered(&service).await;
    asked.await.expect("answers");
    let jobs = service.jobs().await;
    let job = service.job(&text(&jobs[0]["id"])).await;
    assert_eq!(job["state"], "RUNNING", "{job:#}");
    if Death::at(place) == Death::Settled {
        assert_eq!(jobs.len(), 2, "{jobs:#?}");
        assert_eq!(jobs[1]["state"], "SUCCEEDED", "{jobs:#?}");
    } else {
        assert_eq!((jobs.len(), &job["run"]), (1, &1.into()), "{job:#}");
        let reasons: Vec<_> = job["runs"].as_array().expect("runs").iter().collect();
        let lost = reasons.iter().find(|run| run["run"] == 0).expect("a run");
        assert_eq!(lost["state"], "INTERRUPTED", "{job:#}");
        assert_eq!(lost["reason"], "executor-lost", "{job:#}");
    }
    if backend == Backend::Docker {
        // They share an engine, so what the dead one had there is gone before it is back.
        until("only the new run to be there", || {
            match platform.leftovers().containers {
                left if left.len() == 1 => Ok(()),
                left => Err(left),
            }
        });
    }
    other.up();
    until_executor(&platform, &other.id(), is("active"));
    until("nothing to be left of the dead one's runs", || {
        let left = other.leftovers();
        left.is_empty().then_some(()).ok_or(left)
    });
    assert_eq!(platform.leftovers().runs(), 1);
    assert_eq!(service.get("/").await.status, 200);
    for job in &jobs {
        let begun = service.begun(&text(&job["id"])).await;
        assert_eq!(begun, 1, "{job:#}");
    }
    story(&platform).await;
}

macro_rules! places {
    ($($name:ident $place:literal),* $(,)?) => {
        mod process {
            use eai_tests::Backend;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
                super::another_takes_over($place, Backend::Process).await;
            })*
        }
        mod docker {
            use eai_tests::Backend;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
                if Backend::Docker.is_there() {
                    super::another_takes_over($place, Backend::Docker).await;
                }
            })*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn between_create_and_start() {
                if Backend::Docker.is_there() {
                    super::another_takes_over("docker.created", Backend::Docker).await;
                }
            }
        }
    };
}

places! {
    after_the_claim "executor.claimed",
    before_it_is_created "executor.prepared",
    between_its_start_and_its_event "executor.running",
    between_its_exit_and_its_event "executor.ended",
    after_its_end_was_told "executor.settled",
}
