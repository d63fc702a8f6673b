//! The nouns and their verbs.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

use super::{
    ApplyArgs, DataVerb, EventsVerb, ImageVerb, JobVerb, LoginVerb, MonitorVerb, OutputArgs,
    ProxyArgs, RoleVerb, ServeArgs, ServiceVerb, TaskVerb, UserVerb,
};
use crate::env;

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
    /// Show what of a service is another at one moment than at another
    #[command(after_help = "Examples:
  eai diff hello --from 2025-08-05T18:52:53Z
  eai diff hello --from 120 --to 240 --format json")]
    Diff(DiffArgs),
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
    /// Users: who may log in
    #[command(
        subcommand,
        after_help = "Examples:
  eai user get --field name
  eai user new ann --field refreshToken | eai login save ann
  eai user revoke ann
  eai user policy ls"
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
  eai role get hello_role --field policies
  eai role new readers --policy 'service:get@snow.testacc.*'
  eai role member add readers --user ann
  eai role key new readers --field key"
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
    /// Open a port of this machine that adds your token to requests
    #[command(after_help = "Examples:
  eai proxy hello                    Print http://127.0.0.1:PORT, which leads to the service
  eai proxy hello --port 8099 --json
  eai proxy                          /service/NAME/..., /job/ID/... and the API at /v1/...
  eai proxy hello -- python3 ask.py  Run a command that finds the port in EAI_PROXY_URL

Whoever can connect to the port speaks as you: every program of this machine, but no web page of another site.")]
    Proxy(ProxyArgs),
    /// Events: everything that ever happened
    #[command(
        subcommand,
        after_help = "Examples:
  eai events tail -n 20
  eai events tail -f --type service.created
  eai events ls --actor platform --kind job --since 2025-08-05T18:52:53Z
  eai events get 42
  eai events explain hello
  eai events timeline hello"
    )]
    Events(EventsVerb),
    /// Monitors: who watches the account with a NATS client
    #[command(
        subcommand,
        after_help = "Examples:
  eai monitor credentials new sla -o sla.creds
  nats sub 'eai.live.>' --server \"$(eai server info --field natsUrl)\" --creds sla.creds
  eai monitor credentials revoke sla"
    )]
    Monitor(MonitorVerb),
    /// Print the versions of this command and of the platform
    #[command(after_help = "Examples:
  eai version")]
    Version,
    /// Look at what this machine has of what a platform needs, with what to do
    #[command(after_help = "Examples:
  eai doctor
  eai doctor --data-dir /var/lib/eai --listen 0.0.0.0:8080
  eai doctor --format json")]
    Doctor(DoctorArgs),
    /// Print what a shell reads to complete this command line
    #[command(after_help = "Examples:
  eai completions bash > ~/.local/share/bash-completion/completions/eai
  eai completions fish > ~/.config/fish/completions/eai.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
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
    #[command(after_help = "Examples:
  eai account ls
  eai account ls snow --format json")]
    Ls(ListArgs),
    /// Show an account
    #[command(after_help = "Examples:
  eai account get
  eai account get snow.testacc --field urn")]
    Get {
        #[command(flatten)]
        one: OneArgs,
        #[command(flatten)]
        at: AtArgs,
    },
}

/// Verbs of an organization.
#[derive(Debug, Subcommand)]
pub(crate) enum OrganizationVerb {
    /// Show an organization
    #[command(after_help = "Examples:
  eai organization get --field name")]
    Get(OneArgs),
}

/// Verbs of an executor.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecutorVerb {
    /// List executors
    #[command(after_help = "Examples:
  eai executor ls
  eai executor ls --fields id,state,running")]
    Ls(ListArgs),
    /// Show executors
    #[command(after_help = "Examples:
  eai executor get 5b0f0f5e-3a52-5a0e-9c8e-5a5f2ad1c1f7")]
    Get(GetArgs),
    /// Take no new jobs; what runs goes on
    #[command(after_help = "Examples:
  eai executor drain 5b0f0f5e-3a52-5a0e-9c8e-5a5f2ad1c1f7")]
    Drain(RefsArgs),
    /// Take jobs again
    #[command(after_help = "Examples:
  eai executor undrain 5b0f0f5e-3a52-5a0e-9c8e-5a5f2ad1c1f7")]
    Undrain(RefsArgs),
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
    #[command(after_help = "Examples:
  eai server info
  eai server info --field url")]
    Info(OutputArgs),
    /// Tell what it has on the disk, and what of that could go
    #[command(after_help = "Examples:
  eai server df
  eai server df --format json")]
    Df(OutputArgs),
    /// Fold its views again from the event log
    #[command(after_help = "Examples:
  eai server rebuild
  eai server rebuild --data-dir /var/lib/eai")]
    Rebuild {
        /// The data of a platform that isn't running; if unset, the running one is asked
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// What a platform would be started with.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Where the platform would keep its data
    #[arg(long, value_name = "DIR", env = env::EAI_DATA_DIR,
        default_value_os_t = env::default_data_dir())]
    pub(crate) data_dir: PathBuf,
    /// The address and port that it would listen on
    #[arg(long, value_name = "ADDR:PORT", env = env::EAI_LISTEN, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// The nats-server binary; if unset, the one beside `eai`, in PATH, or fetched by `deploy/local/nats-server`
    #[arg(long, value_name = "PATH", env = env::EAI_NATS_SERVER)]
    pub(crate) nats_server: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// An optional place to list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only what is in this account or organization
    #[arg(value_name = "ACCOUNT|ORGANIZATION", value_parser = reference)]
    pub(crate) place: Option<String>,
    #[command(flatten)]
    pub(crate) at: AtArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Which moment is meant.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct AtArgs {
    /// As it was at this sequence number or time (RFC 3339)
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub(crate) at: Option<String>,
}

/// One or more things, at a moment.
#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) refs: RefsArgs,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// What a service was at two moments.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// Its id, full name or name
    #[arg(value_name = "SERVICE", value_parser = reference)]
    pub(crate) reference: String,
    /// The first moment: a sequence number or a time (RFC 3339)
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub(crate) from: String,
    /// The second one; now if unset
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub(crate) to: Option<String>,
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
