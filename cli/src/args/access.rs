//! The verbs of roles and users: what may be done, and by whom.

use clap::Subcommand;

use super::nouns::{GetArgs, ListArgs, OneArgs, RefsArgs, reference};
use super::output::OutputArgs;

/// Verbs of a role.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleVerb {
    /// Make a role
    #[command(after_help = "Examples:
  eai role new readers --policy 'service:get@snow.testacc.*,job:get@snow.testacc.*'
  eai role new snow.testacc. --policy 'service:get@snow.testacc.hello' --field id")]
    New(NewRole),
    /// List roles
    #[command(after_help = "Examples:
  eai role ls
  eai role ls snow --format json")]
    Ls(ListArgs),
    /// Show roles
    #[command(after_help = "Examples:
  eai role get hello_role
  eai role get hello_role --field policies")]
    Get(GetArgs),
    /// What a role allows
    #[command(
        subcommand,
        after_help = "Examples:
  eai role policy add readers 'service:get@snow.testacc.*'
  eai role policy ls readers
  eai role policy rm readers 'service:get@snow.testacc.*'"
    )]
    Policy(PolicyVerb),
    /// The keys that hold a role: for programs
    #[command(
        subcommand,
        after_help = "Examples:
  eai role key new readers --field key
  eai role key ls readers
  eai role key revoke readers 0b0e7a6c-3a52-5d0a-9c43-5a6f0f1f7a11"
    )]
    Key(KeyVerb),
    /// The users that hold a role
    #[command(
        subcommand,
        after_help = "Examples:
  eai role member add readers --user ann
  eai role member ls readers
  eai role member rm readers --user ann"
    )]
    Member(MemberVerb),
}

/// Verbs of a service's role: the service is named, and its role is meant.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceRoleVerb {
    /// Show the role of services
    #[command(after_help = "Examples:
  eai service role get hello --field policies")]
    Get(RefsArgs),
    /// What the jobs of a service may do
    #[command(
        subcommand,
        after_help = "Examples:
  eai service role policy add hello 'data:write@snow.testacc.results'
  eai service role policy ls hello"
    )]
    Policy(PolicyVerb),
    /// The keys that hold a service's role
    #[command(
        subcommand,
        after_help = "Examples:
  eai service role key new hello --field key"
    )]
    Key(KeyVerb),
    /// The users that hold a service's role
    #[command(
        subcommand,
        after_help = "Examples:
  eai service role member add hello --user ann"
    )]
    Member(MemberVerb),
}

/// A new role.
#[derive(Debug, clap::Args)]
pub(crate) struct NewRole {
    /// Its name; `ACCOUNT.` with a dot behind makes one of any name there
    #[arg(value_parser = reference)]
    pub(crate) name: String,
    /// What it allows: TYPE:VERB@RESOURCE, several with commas or again
    #[arg(long = "policy", value_name = "POLICY,…", value_delimiter = ',')]
    pub(crate) policies: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Verbs of what a role allows.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Let it allow more
    #[command(
        visible_alias = "new",
        after_help = "Examples:
  eai role policy add readers 'service:get@snow.testacc.*'
  eai role policy new readers --action job:get --action job:set --resource 'snow.testacc.*'"
    )]
    Add(PolicyArgs),
    /// List what it allows
    #[command(after_help = "Examples:
  eai role policy ls readers")]
    Ls(HolderArgs),
    /// Let it allow less
    #[command(after_help = "Examples:
  eai role policy rm readers 'service:get@snow.testacc.*'")]
    Rm(PolicyArgs),
}

/// Policies of a role.
#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    /// Whose policies: an id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// TYPE:VERB@RESOURCE, such as `service:get@snow.testacc.*`
    #[arg(value_name = "POLICY", required_unless_present = "action")]
    pub(crate) policies: Vec<String>,
    /// TYPE:VERB, with `--resource`
    #[arg(long, value_name = "TYPE:VERB", requires = "resource")]
    pub(crate) action: Vec<String>,
    /// The resource of the actions: a full name, an id or a URN
    #[arg(long, value_name = "RESOURCE", requires = "action")]
    pub(crate) resource: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Verbs of keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    /// Make a key: it is shown once, and never again
    #[command(after_help = "Examples:
  EAI_TOKEN=$(eai role key new readers --field key) eai service ls")]
    New(HolderArgs),
    /// List keys, without what they are
    #[command(after_help = "Examples:
  eai role key ls readers --fields id,state")]
    Ls(HolderArgs),
    /// Make keys good for nothing, at once
    #[command(after_help = "Examples:
  eai role key revoke readers 0b0e7a6c-3a52-5d0a-9c43-5a6f0f1f7a11")]
    Revoke(RevokeArgs),
}

/// Keys of a role.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    /// Whose keys: an id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// The ids of the keys
    #[arg(value_name = "KEY", required = true)]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Verbs of members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberVerb {
    /// Let users hold it
    #[command(after_help = "Examples:
  eai role member add readers --user ann")]
    Add(MemberArgs),
    /// List the users that hold it
    #[command(after_help = "Examples:
  eai role member ls readers")]
    Ls(HolderArgs),
    /// Let users hold it no more
    #[command(after_help = "Examples:
  eai role member rm readers --user ann")]
    Rm(MemberArgs),
}

/// Users of a role.
#[derive(Debug, clap::Args)]
pub(crate) struct MemberArgs {
    /// Whose members: an id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// A user: an id or a name
    #[arg(long = "user", value_name = "USER", required = true)]
    pub(crate) users: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A role, or the service whose role is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct HolderArgs {
    /// An id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Verbs of a user.
#[derive(Debug, Subcommand)]
pub(crate) enum UserVerb {
    /// Show a user: yours if none is named
    #[command(after_help = "Examples:
  eai user get
  eai user get ann --field urn")]
    Get(OneArgs),
    /// List the users of an account
    #[command(after_help = "Examples:
  eai user ls")]
    Ls(ListArgs),
    /// Make a user, with the token that it logs in with: it is shown once
    #[command(after_help = "Examples:
  eai user new ann --field refreshToken | eai login save ann
  eai role member add readers --user ann")]
    New(NewUser),
    /// Make another token for a user to log in with
    #[command(after_help = "Examples:
  eai user token ann --field refreshToken | eai login save ann")]
    Token(UserRefArgs),
    /// Make every token that users were given so far good for nothing, at once
    #[command(after_help = "Examples:
  eai user revoke ann")]
    Revoke(RefsArgs),
    /// What you may do
    #[command(
        subcommand,
        after_help = "Examples:
  eai user policy ls --recursive"
    )]
    Policy(UserPolicyVerb),
}

/// A new user.
#[derive(Debug, clap::Args)]
pub(crate) struct NewUser {
    /// Its name: lower case letters, digits and `_`
    #[arg(value_parser = reference)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// One user.
#[derive(Debug, clap::Args)]
pub(crate) struct UserRefArgs {
    /// Its id or name
    #[arg(value_name = "USER", value_parser = reference)]
    pub(crate) reference: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Verbs of what a user may do.
#[derive(Debug, Subcommand)]
pub(crate) enum UserPolicyVerb {
    /// List the policies that you hold through your roles
    #[command(after_help = "Examples:
  eai user policy ls
  eai user policy ls --recursive --format json")]
    Ls {
        /// Those of roles too: it is always so
        #[arg(long)]
        recursive: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Verbs of credentials.
#[derive(Debug, Subcommand)]
pub(crate) enum LoginVerb {
    /// Print an access token, good for at least five minutes
    #[command(after_help = "Examples:
  eai login token
  curl -H \"$(eai login token -H)\" http://localhost:8080/v1/me")]
    Token {
        /// Print it as a header line: `Authorization: Bearer …`
        #[arg(short = 'H', long)]
        header: bool,
    },
    /// Write a profile with the refresh token that standard input has
    #[command(after_help = "Examples:
  eai user new ann --field refreshToken | eai login save ann
  eai --profile ann user get --field name")]
    Save {
        /// The name of the profile
        #[arg(value_name = "PROFILE")]
        name: String,
    },
}
