//! The command line's grammar: nouns, verbs, flags and help, as clap derives.
//!
//! Owns what may be typed. What it does is in `commands`.

mod access;
mod data;
mod events;
#[cfg(test)]
mod examples;
mod image;
mod job;
mod life;
mod monitor;
mod nouns;
mod output;
mod proxy;
mod queue;
mod serve;
mod service;
mod task;

use std::path::PathBuf;

use clap::Parser;
use uuid::Uuid;

pub(crate) use access::{
    HolderArgs, KeyVerb, LoginVerb, MemberVerb, NewRole, NewUser, PolicyArgs, PolicyVerb, RoleVerb,
    ServiceRoleVerb, UserPolicyVerb, UserVerb,
};
pub(crate) use data::{ContentArgs, ContentVerb, DataVerb, PullArgs, PushArgs};
pub(crate) use events::{
    EventsVerb, ExportArgs, FilterArgs, ListEvents, ReplayArgs, StoryArgs, TailArgs, TimelineArgs,
    VerifyArgs,
};
pub(crate) use image::ImageVerb;
pub(crate) use job::{JobRefs, JobVerb, ListJobs, LogArgs, Until, WaitArgs};
pub(crate) use life::{
    ApplyArgs, RollbackArgs, ServiceEventsArgs, ServiceLogArgs, ServiceRefArgs, ServiceUntil,
    ServiceWaitArgs,
};
pub(crate) use monitor::{CredentialsVerb, MonitorVerb, NewCredentials};
pub(crate) use nouns::{
    AccountVerb, AtArgs, DiffArgs, DoctorArgs, ExecutorVerb, ListArgs, Noun, OrganizationVerb,
    RefsArgs, ServerCommand, ServerVerb,
};
pub(crate) use output::{FormatArg, OutputArgs};
pub(crate) use proxy::ProxyArgs;
pub(crate) use queue::{
    HealthArgs, HealthFormat, QueueArgs, ScaleArgs, SlaArgs, SnapshotArgs, StatusArgs, StopArgs,
    TermsArgs, WorkerArgs, replicas,
};
pub(crate) use serve::{BackendArg, LogFormat, ServeArgs};
pub(crate) use service::{NewService, ServiceVerb, UpdateService};
pub(crate) use task::{
    DeadVerb, ListDead, ListTasks, PurgeArgs, RequeueArgs, SubmitArgs, TaskStatus, TaskVerb,
};

use crate::env;

const EXAMPLES: &str = "Examples:
  eai server                        Run a platform on this machine
  eai service new hello             Make a service
  eai service ls                    List services
  eai service get hello --field id  Print only its id
  eai events tail -f                Watch what happens
  curl -H \"$(eai login token -H)\" http://localhost:8080/v1/me";

/// The command line of an event-sourced serverless platform, and the platform itself.
#[derive(Debug, Parser)]
#[command(
    name = "eai",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}", env::help()),
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) noun: Noun,
}

/// Flags that every noun takes.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The profile to use
    #[arg(long, global = true, value_name = "NAME", env = env::EAI_PROFILE, hide_env_values = true)]
    pub(crate) profile: Option<String>,
    /// The platform's URL
    #[arg(long, global = true, value_name = "URL", env = env::EAI_URL, hide_env_values = true)]
    pub(crate) url: Option<String>,
    /// The certificates to trust instead of the machine's, in PEM: for a platform whose own is signed by none of those
    #[arg(long, global = true, value_name = "FILE", env = env::EAI_CA_CERT, hide_env_values = true)]
    pub(crate) ca_cert: Option<PathBuf>,
    /// The account that plain names are in [env: `EAI_ACCOUNT`]
    // The variable is read by hand: `eai server` gives it another one that wins.
    #[arg(long, global = true, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// The id of this command: repeating it with the same id never does it twice
    #[arg(long, global = true, value_name = "UUID")]
    pub(crate) command_id: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    fn parse(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).unwrap()
    }

    #[test]
    fn global_flags_go_before_or_after_the_noun() {
        assert_eq!(
            parse("eai --profile p login token")
                .global
                .profile
                .as_deref(),
            Some("p")
        );
        assert_eq!(
            parse("eai login token --profile p")
                .global
                .profile
                .as_deref(),
            Some("p")
        );
    }

    #[test]
    fn server_without_a_verb_runs_it() {
        let cli = parse("eai server --listen 127.0.0.1:0 --account acme.dev --log-max-bytes 1GiB");
        let Noun::Server(command) = cli.noun else {
            panic!("not a server")
        };
        assert!(command.verb.is_none());
        assert_eq!(command.serve.account.as_deref(), Some("acme.dev"));
        assert_eq!(command.serve.log_max_bytes.unwrap().as_u64(), 1 << 30);
        assert_eq!(command.serve.listen.port(), 0);
    }

    #[test]
    fn server_info_is_a_verb() {
        let Noun::Server(command) = parse("eai server info --field url").noun else {
            panic!("not a server")
        };
        assert!(matches!(command.verb, Some(ServerVerb::Info(_))));
    }

    #[test]
    fn a_ref_is_never_empty_or_a_dot() {
        for reference in ["", ".", ".."] {
            assert!(Cli::try_parse_from(["eai", "service", "get", reference]).is_err());
        }
    }

    #[test]
    fn a_number_that_cannot_be_is_named() {
        for wrong in [
            "service update a --cpu nan",
            "service update a --mem inf",
            "service update a --gpu-mem=-inf",
            "service update a --gpu -1",
            "service update a --port -1",
            "service update a --max-run-time -1",
            "job ls -n -1",
            "job log --last --tail -1",
            "job log --last --run -1",
            "events tail -n -1",
            "server --executor-lease 0s",
            "server --executor-lease 999ms",
        ] {
            let words = ["eai"].into_iter().chain(wrong.split(' '));
            let refused = Cli::try_parse_from(words).unwrap_err();
            assert_eq!(
                refused.kind(),
                ErrorKind::ValueValidation,
                "{wrong}: {refused}"
            );
        }
        // How little or much there may be is the platform's to say.
        assert!(Cli::try_parse_from(["eai", "service", "update", "a", "--cpu", "-1"]).is_ok());
    }
}
