//! The nouns and their verbs.

use std::path::PathBuf;

use clap::Subcommand;

use super::{
    ApplyArgs, DataVerb, ImageVerb, JobVerb, OutputArgs, ServeArgs, ServiceVerb, TaskVerb,
};

/// What the command is about.
#[derive(Debug, Subcommand)]
pub(crate) enum Noun {
    /// Services: long-running entry points
    #[command(
        subcommand,
        after_help = "Examples:
  eai service new hello
  eai service new hello --runtime hello_v2 --account snow.testacc
  eai service new hello --upload ./app
  eai service update hello -i python:3.10 -- python3 -u /service/server.py
  eai service ls --fields id,fullName,status
  eai service get hello --field accessUrl
  eai service stop hello"
    )]
    Service(ServiceVerb),
    /// Make services be as a file says: shows the difference first
    #[command(after_help = "Examples:
  eai apply -f services.yaml
  eai apply -f services.yaml --dry-run
  eai apply -f services.yaml --yes

A file:
  services:
    hello:
      files: ./app
      spec:
        runtime: {image: python:3.10, command: [python3, -u, /service/server.py]}
        resources: {cpu: 1, mem: 1}
      status: on")]
    Apply(ApplyArgs),
    /// Tasks: what the workers of a queue do
    #[command(
        subcommand,
        after_help = "Examples:
  eai task submit sums '{\"args\":{\"x\":1}}' --wait
  eai task ls sums --status failed
  eai task result 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10
  eai task dead requeue sums --all"
    )]
    Task(TaskVerb),
    /// Jobs: what runs for services
    #[command(
        subcommand,
        after_help = "Examples:
  eai job ls --service hello
  eai job ls --state all -n 5 --field id
  eai job log -f 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10
  eai job info --last
  eai job kill --last"
    )]
    Job(JobVerb),
    /// Data: versioned sets of files
    #[command(
        subcommand,
        after_help = "Examples:
  eai data new weights
  eai data ls snow --format json
  eai data push weights ./model.bin
  eai data push weights ./models:v2 --verbose
  eai data pull weights@3 ./here
  eai data content ls weights"
    )]
    Data(DataVerb),
    /// Images: what jobs see of files, where they run in containers
    #[command(
        subcommand,
        after_help = "Examples:
  docker save web:1 -o web.tar && eai image import web.tar --tag web:1
  eai image import ./rootfs --tag team/base
  eai image ls
  eai service update hello -i team/base"
    )]
    Image(ImageVerb),
    /// Accounts: what owns services and data
    #[command(
        subcommand,
        after_help = "Examples:
  eai account get --field fullName
  eai account ls snow"
    )]
    Account(AccountVerb),
    /// Your user
    #[command(
        subcommand,
        after_help = "Examples:
  eai user get --field name"
    )]
    User(UserVerb),
    /// Organizations: what owns accounts
    #[command(
        subcommand,
        after_help = "Examples:
  eai organization get --field name"
    )]
    Organization(OrganizationVerb),
    /// Roles: what may be done, and by whom
    #[command(
        subcommand,
        after_help = "Examples:
  eai role ls
  eai role get hello_role --field policies"
    )]
    Role(RoleVerb),
    /// Executors: where jobs run
    #[command(
        subcommand,
        after_help = "Examples:
  eai executor ls
  eai executor drain 5b0f0f5e-3a52-5a0e-9c8e-5a5f2ad1c1f7
  eai executor ls --field state"
    )]
    Executor(ExecutorVerb),
    /// Credentials
    #[command(
        subcommand,
        after_help = "Examples:
  eai login token
  curl -H \"$(eai login token -H)\" http://localhost:8080/v1/me"
    )]
    Login(LoginVerb),
    /// Events: everything that ever happened
    #[command(
        subcommand,
        after_help = "Examples:
  eai events tail -n 20
  eai events tail -f --type service.created
  eai events tail --since 2025-08-05T18:52:53Z --format json
  eai events get 42"
    )]
    Events(EventsVerb),
    /// Print the versions of this command and of the platform
    Version,
    /// Run the platform, or ask about it
    #[command(after_help = "Examples:
  eai server
  eai server --data-dir /var/lib/eai --listen 0.0.0.0:8080 --domain eai.example.org
  eai server info --field natsUrl
  eai server rebuild")]
    Server(Box<ServerCommand>),
}

/// Verbs of an account.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountVerb {
    /// List accounts
    Ls(ListArgs),
    /// Show an account
    Get(OneArgs),
}

/// Verbs of a user.
#[derive(Debug, Subcommand)]
pub(crate) enum UserVerb {
    /// Show your user
    Get(OneArgs),
}

/// Verbs of an organization.
#[derive(Debug, Subcommand)]
pub(crate) enum OrganizationVerb {
    /// Show an organization
    Get(OneArgs),
}

/// Verbs of a role.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleVerb {
    /// List roles
    Ls(ListArgs),
    /// Show roles
    Get(RefsArgs),
}

/// Verbs of an executor.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecutorVerb {
    /// List executors
    Ls(ListArgs),
    /// Show executors
    Get(RefsArgs),
    /// Take no new jobs; what runs goes on
    Drain(RefsArgs),
    /// Take jobs again
    Undrain(RefsArgs),
}

/// Verbs of credentials.
#[derive(Debug, Subcommand)]
pub(crate) enum LoginVerb {
    /// Print an access token, good for at least five minutes
    Token {
        /// Print it as a header line: `Authorization: Bearer …`
        #[arg(short = 'H', long)]
        header: bool,
    },
}

/// Verbs of events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsVerb {
    /// Print the last events
    Tail(TailArgs),
    /// Print an event as it is stored
    Get {
        /// Its id or its sequence number
        #[arg(value_name = "ID|SEQUENCE", required = true, value_parser = reference)]
        refs: Vec<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Which events to print.
#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// Go on with each new event, for ever
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the last N events; 10 if neither this nor `--since` is given
    #[arg(
        short = 'n',
        long = "lines",
        value_name = "N",
        allow_negative_numbers = true
    )]
    pub(crate) lines: Option<u64>,
    /// Only this type: `service`, `service.created` or `eai.service.created.v1`
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only events about this id, or the event with this id
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only from this sequence number or time (RFC 3339) on
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Runs the platform when no verb is given.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ServerCommand {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    #[command(subcommand)]
    pub(crate) verb: Option<ServerVerb>,
}

/// Verbs of the platform.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerVerb {
    /// Tell its addresses, files and versions
    Info(OutputArgs),
    /// Fold its views again from the event log
    Rebuild {
        /// The data of a platform that isn't running; if unset, the running one is asked
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// An optional place to list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only what is in this account or organization
    #[arg(value_name = "ACCOUNT|ORGANIZATION", value_parser = reference)]
    pub(crate) place: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// One or more things.
#[derive(Debug, clap::Args)]
pub(crate) struct RefsArgs {
    /// Ids, full names or names
    #[arg(value_name = "REF", required = true, value_parser = reference)]
    pub(crate) refs: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// One thing, yours if none is named.
#[derive(Debug, clap::Args)]
pub(crate) struct OneArgs {
    /// Its id or name; yours if unset
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A name in a URL's path: one that is empty or only dots would name another resource.
pub(super) fn reference(text: &str) -> Result<String, String> {
    if text.is_empty() || text == "." || text == ".." {
        return Err("it must be an id or a name".to_owned());
    }
    Ok(text.to_owned())
}
