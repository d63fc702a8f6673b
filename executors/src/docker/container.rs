//! What is asked of the engine for a run: what it may see and use, and nothing that it doesn't need.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, EndpointIpamConfig, EndpointSettings, HostConfig,
    HostConfigLogConfig, Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountType,
    NetworkingConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use super::label::{Label, Owner};
use crate::backend::{Bind, Run};
use crate::environment::HOME;
use crate::shim::{GID, UID};

const USER: &str = "toolkit";
const TMP: &str = "/tmp";
/// The most that the engine keeps of a run's output: files of 16 MiB, four of them.
const LOG: [(&str, &str); 3] = [
    ("max-size", "16m"),
    ("max-file", "4"),
    ("compress", "false"),
];
/// Signals reach what the command has started too, as in a sandbox.
const WHOLE_GROUP: &str = "TINI_KILL_PROCESS_GROUP=1";

/// What all containers of a platform have in common, and the address of this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) owner: &'a Owner,
    pub(super) network: &'a str,
    pub(super) address: Ipv4Addr,
    /// The most processes and threads.
    pub(super) pids: i64,
    /// Whether the engine has a first process that passes signals on and buries the dead.
    pub(super) init: bool,
}

/// The container of a run.
pub(super) fn body(run: &Run, label: &Label, place: Place<'_>) -> ContainerCreateBody {
    let (entrypoint, command) = match run.command.split_first() {
        Some((program, arguments)) => (Some(vec![program.clone()]), Some(arguments.to_vec())),
        None => (None, None),
    };
    let own = [("USER", USER), ("LOGNAME", USER)];
    let mut env: Vec<String> = own
        .into_iter()
        .filter(|(name, _)| run.env.iter().all(|(given, _)| given != name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    env.extend(
        run.env
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    if place.init {
        env.push(WHOLE_GROUP.to_owned());
    }
    ContainerCreateBody {
        hostname: Some(run.hostname.clone()),
        user: Some(format!("{UID}:{GID}")),
        image: Some(run.image.clone()),
        entrypoint,
        cmd: command,
        env: Some(env),
        working_dir: run.workdir.clone(),
        labels: Some(label.labels(place.owner, run)),
        host_config: Some(host(run, place)),
        networking_config: Some(networking(place)),
        ..ContainerCreateBody::default()
    }
}

fn host(run: &Run, place: Place<'_>) -> HostConfig {
    let limit = |value: u64| i64::try_from(value).ok().filter(|value| *value > 0);
    let memory = limit(run.mem_mib.saturating_mul(1 << 20));
    HostConfig {
        // What cannot be swapped out cannot be more than this either.
        memory,
        memory_swap: memory,
        nano_cpus: limit(run.cpu_milli.saturating_mul(1_000_000)),
        pids_limit: Some(place.pids),
        init: place.init.then_some(true),
        mounts: Some(run.mounts.iter().map(mount).collect()),
        tmpfs: Some(memory_folders(run)),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        ipc_mode: Some("private".to_owned()),
        network_mode: Some(place.network.to_owned()),
        device_requests: graphics(run.gpus),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("core".to_owned()),
            soft: Some(0),
            hard: Some(0),
        }]),
        log_config: Some(HostConfigLogConfig {
            typ: Some("local".to_owned()),
            config: Some(LOG.map(|(name, value)| (name.into(), value.into())).into()),
        }),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..HostConfig::default()
    }
}

fn networking(place: Place<'_>) -> NetworkingConfig {
    let endpoint = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(place.address.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    };
    NetworkingConfig {
        endpoints_config: Some(HashMap::from([(place.network.to_owned(), endpoint)])),
    }
}

fn mount(bind: &Bind) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(bind.host.to_string_lossy().into_owned()),
        target: Some(bind.target.clone()),
        read_only: Some(!bind.writable),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

/// Empty folders in memory that the run may write to, unless something else is mounted there.
fn memory_folders(run: &Run) -> HashMap<String, String> {
    let folders = [
        (TMP, "rw,exec,nosuid,nodev,mode=1777".to_owned()),
        (
            HOME,
            format!("rw,exec,nosuid,nodev,mode=0755,uid={UID},gid={GID}"),
        ),
    ];
    folders
        .into_iter()
        .filter(|(place, _)| run.mounts.iter().all(|mount| mount.target != *place))
        .map(|(place, options)| (place.to_owned(), options))
        .collect()
}

/// So many graphics processors, whichever are free.
fn graphics(count: u32) -> Option<Vec<DeviceRequest>> {
    (count > 0).then(|| {
        vec![DeviceRequest {
            driver: Some(String::new()),
            count: Some(count.into()),
            capabilities: Some(vec![vec!["gpu".to_owned()]]),
            ..DeviceRequest::default()
        }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            name: "a.0.1".to_owned(),
            hostname: "a".to_owned(),
            image: "python:3".to_owned(),
            command: vec!["python3".to_owned(), "-u".to_owned()],
            env: vec![("USER".to_owned(), "me".to_owned())],
            workdir: None,
            mounts: vec![Bind {
                host: "/data/x".into(),
                target: "/service".to_owned(),
                writable: false,
            }],
            cpu_milli: 1500,
            mem_mib: 64,
            gpus: 0,
            runtime: None,
            metadata: serde_json::json!({"job": "a"}),
        }
    }

    fn body_of(run: &Run) -> ContainerCreateBody {
        let label = Label::of(&run.name).unwrap();
        let owner = Owner {
            platform: "p".to_owned(),
            executor: "e".to_owned(),
        };
        let place = Place {
            owner: &owner,
            network: "eai-p",
            address: Ipv4Addr::new(172, 20, 0, 9),
            pids: 512,
            init: true,
        };
        body(run, &label, place)
    }

    #[test]
    fn a_container_has_what_it_needs_and_no_more() {
        let body = body_of(&run());
        assert_eq!(body.user.as_deref(), Some("13011:13011"));
        assert_eq!(body.labels.as_ref().unwrap()["eai.executor"], "e");
        assert_eq!(body.entrypoint, Some(vec!["python3".to_owned()]));
        assert_eq!(body.cmd, Some(vec!["-u".to_owned()]));
        let env = body.env.unwrap();
        assert!(env.contains(&"USER=me".to_owned()), "{env:?}");
        assert!(!env.contains(&"USER=toolkit".to_owned()), "{env:?}");
        let host = body.host_config.unwrap();
        assert_eq!(host.memory, Some(64 << 20));
        assert_eq!(host.memory_swap, host.memory);
        assert_eq!(host.nano_cpus, Some(1_500_000_000));
        assert_eq!(host.pids_limit, Some(512));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.port_bindings, None);
        assert_eq!(host.device_requests, None);
        assert!(host.mounts.unwrap()[0].read_only.unwrap());
        assert!(host.tmpfs.unwrap().contains_key("/tmp"));
    }

    #[test]
    fn an_image_may_know_what_it_runs() {
        let run = Run {
            command: Vec::new(),
            ..run()
        };
        run.check().unwrap();
        let body = body_of(&run);
        assert_eq!((body.entrypoint, body.cmd), (None, None));
    }

    #[test]
    fn graphics_processors_are_asked_for_by_number() {
        let run = Run { gpus: 2, ..run() };
        let asked = body_of(&run).host_config.unwrap().device_requests.unwrap();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].count, Some(2));
        assert_eq!(asked[0].capabilities, Some(vec![vec!["gpu".to_owned()]]));
    }

    #[test]
    fn what_is_mounted_at_tmp_is_not_hidden() {
        let mut run = run();
        run.mounts[0].target = "/tmp".to_owned();
        let tmpfs = body_of(&run).host_config.unwrap().tmpfs.unwrap();
        assert!(!tmpfs.contains_key("/tmp") && tmpfs.contains_key(HOME));
    }
}
