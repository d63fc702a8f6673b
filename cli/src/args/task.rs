//! The verbs of a task.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use uuid::Uuid;

use super::nouns::{RefsArgs, reference};
use super::output::OutputArgs;
use super::service::finite;

/// Verbs of a task.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskVerb {
    /// Give tasks to the workers of a service
    #[command(after_help = "Examples:
  eai task submit sums '{\"args\":{\"x\":1}}' --wait
  eai task submit sums -f tasks.ndjson --retries 5
  jq -c .[] orders.json | eai task submit sums -
  eai task submit sums --split plan.json
  eai task submit sums '{\"args\":{\"order\":7}}' --key order-7 --delay 60")]
    Submit(Box<SubmitArgs>),
    /// List tasks of a service, the newest first
    #[command(after_help = "Examples:
  eai task ls sums
  eai task ls sums --status failed -n 20")]
    Ls(ListTasks),
    /// Show tasks
    #[command(after_help = "Examples:
  eai task get 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10
  eai task get 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10 --field status")]
    Get(RefsArgs),
    /// Print the worker's answer
    #[command(after_help = "Examples:
  eai task result 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10")]
    Result(TaskRef),
    /// Print what the worker printed
    #[command(after_help = "Examples:
  eai task logs 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10")]
    Logs(TaskRef),
    /// Take tasks back, also those that a worker has
    #[command(after_help = "Examples:
  eai task cancel 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10")]
    Cancel(RefsArgs),
    /// Try tasks again that failed or were cancelled
    #[command(after_help = "Examples:
  eai task retry 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10")]
    Retry(RefsArgs),
    /// Remove tasks that ended
    #[command(after_help = "Examples:
  eai task purge sums
  eai task purge sums --status done")]
    Purge(PurgeArgs),
    /// Tasks whose retries are used up
    #[command(
        subcommand,
        after_help = "Examples:
  eai task dead ls sums
  eai task dead requeue sums --all"
    )]
    Dead(DeadVerb),
}

/// Verbs of dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadVerb {
    /// List them
    #[command(after_help = "Examples:
  eai task dead ls sums
  eai task dead ls sums -n 20 --field id")]
    Ls(ListDead),
    /// Try them again
    #[command(after_help = "Examples:
  eai task dead requeue sums --all
  eai task dead requeue sums 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10")]
    Requeue(RequeueArgs),
}

/// Tasks to submit.
#[derive(Debug, clap::Args)]
pub(crate) struct SubmitArgs {
    /// The service: its id, full name or name
    #[arg(value_parser = reference)]
    pub(crate) service: String,
    /// A task as a JSON object, such as {"args":{"x":1}}; `-` reads one or many from standard input
    #[arg(value_name = "JSON", conflicts_with_all = ["file", "split"])]
    pub(crate) task: Option<String>,
    /// Read tasks from a file: one JSON object, or one a line
    #[arg(short, long, value_name = "FILE", conflicts_with = "split")]
    pub(crate) file: Option<PathBuf>,
    /// Give each worker a task with its slot of the plan in a file: a list, or a task with a `plan` that is one
    #[arg(long, value_name = "PLAN.json")]
    pub(crate) split: Option<PathBuf>,
    /// Their label
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// The greater, the sooner
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) priority: Option<i32>,
    /// No worker takes them before, in seconds from now
    #[arg(long, value_name = "SECONDS", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) delay: Option<f64>,
    /// How often a task is tried again after it failed, 3 if unset
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) retries: Option<u32>,
    /// How long the first wait before another try is, in seconds; it doubles from then on
    #[arg(long, value_name = "SECONDS", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) backoff: Option<f64>,
    /// How long a try may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) timeout: Option<f64>,
    /// The same key in the same service is the same task, however often it is submitted
    #[arg(long, value_name = "TEXT")]
    pub(crate) key: Option<String>,
    /// The worker that alone may take them: its name or index
    #[arg(long, value_name = "WORKER", conflicts_with = "split")]
    pub(crate) worker: Option<String>,
    /// Wait until they end, and print the workers' answers
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Which tasks to list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListTasks {
    /// The service: its id, full name or name
    #[arg(value_parser = reference)]
    pub(crate) service: String,
    /// Only those
    #[arg(long, value_enum, value_name = "STATUS")]
    pub(crate) status: Option<TaskStatus>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TaskStatus {
    Pending,
    Running,
    Done,
    Failed,
    Cancelled,
    Dead,
}

/// One task.
#[derive(Debug, clap::Args)]
pub(crate) struct TaskRef {
    /// Its id
    #[arg(value_name = "ID")]
    pub(crate) id: Uuid,
}

/// Which tasks to remove.
#[derive(Debug, clap::Args)]
pub(crate) struct PurgeArgs {
    /// The service: its id, full name or name
    #[arg(value_parser = reference)]
    pub(crate) service: String,
    /// Only those that ended so
    #[arg(long, value_enum, value_name = "STATUS")]
    pub(crate) status: Option<Ended>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ended {
    Done,
    Failed,
    Cancelled,
}

/// Whose dead letters to list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListDead {
    /// The service: its id, full name or name
    #[arg(value_parser = reference)]
    pub(crate) service: String,
    /// At most so many
    #[arg(short = 'n', long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Which dead letters to try again.
#[derive(Debug, clap::Args)]
pub(crate) struct RequeueArgs {
    /// The service: its id, full name or name
    #[arg(value_parser = reference)]
    pub(crate) service: String,
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub(crate) tasks: Vec<Uuid>,
    /// All dead letters of the service
    #[arg(long, conflicts_with = "tasks")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

// === impl TaskStatus ===

impl TaskStatus {
    /// As the API has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }
}

impl From<Ended> for TaskStatus {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Done => Self::Done,
            Ended::Failed => Self::Failed,
            Ended::Cancelled => Self::Cancelled,
        }
    }
}
