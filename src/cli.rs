//! The command line: every flag, its environment twin, its default and its help, in one place. Names are Helm's and
//! kubectl's wherever those have one.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration;
use crate::log::LogFormat;
use crate::names::{Handler, Namespace, ReleaseName};
use crate::release::Driver;
use crate::values::Existing;

/// Installs Kubernetes RuntimeClasses as a Helm release, and exits.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    /// How to reach the cluster and what to log.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0         done, or nothing to do
  1         only from diff: there are changes
  2         usage, values or template are wrong
  3         a class exists and belongs to somebody else, or is no stub and would become one
  4         the API server was not reached, or the deadline passed
  5         forbidden or unauthorised
  6         refused: pods use the class, or its handler may not be changed
  7         any other failure
  130, 143  ended by SIGINT, SIGTERM";

/// Flags of every command.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// Kubeconfig file; else KUBECONFIG, the pod's service account, or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use
    #[arg(long, global = true, alias = "kube-context", value_name = "NAME")]
    pub context: Option<String>,
    /// Log every request
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Log errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Form of the log on stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the cluster's RuntimeClasses what the values say
    Install(InstallArgs),
    /// Show what install would do, field by field; exits 1 if there are changes
    Diff(DiffArgs),
    /// Show the release and the state of each of its classes
    Status(StatusArgs),
    /// Show the release's revisions
    History(HistoryArgs),
    /// Go back to an earlier revision
    Rollback(RollbackArgs),
    /// Delete the release's classes and its records
    #[command(alias = "delete")]
    Uninstall(UninstallArgs),
    /// Print the manifests that install would apply; needs no cluster
    Template(TemplateArgs),
    /// Print the merged values; needs no cluster
    Values(ValuesCommandArgs),
    /// Show the built-in sets of classes and where they are from
    Presets(PresetsArgs),
    /// Print the JSON Schema of the values, for editors
    Schema,
}

impl Command {
    /// How long the command may take and what it says in the end; `None` for those that need no cluster.
    #[must_use]
    pub fn run_args(&self) -> Option<&RunArgs> {
        match self {
            Self::Install(args) => Some(&args.run),
            Self::Diff(args) => Some(&args.run),
            Self::Status(args) => Some(&args.run),
            Self::History(args) => Some(&args.run),
            Self::Rollback(args) => Some(&args.run),
            Self::Uninstall(args) => Some(&args.run),
            Self::Template(_) | Self::Values(_) | Self::Presets(_) | Self::Schema => None,
        }
    }
}

/// Arguments of `install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// What is to be.
    #[command(flatten)]
    pub wish: WishArgs,
    /// What may be done for it.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// How it is recorded.
    #[command(flatten)]
    pub record: RecordArgs,
    /// Create the release's namespace if it is missing
    #[arg(long)]
    pub create_namespace: bool,
    /// Only say what would be done; with `server` the API server is asked as well, so that admission speaks
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "client", value_name = "HOW")]
    pub dry_run: Option<DryRunArg>,
    /// How long, and what is said in the end.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// What is to be.
    #[command(flatten)]
    pub wish: WishArgs,
    /// What may be done for it.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Where the records are.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// How long, and what is said in the end.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Which release.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Where the records are.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// How long, and what is said in the end.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Which release.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Where the records are.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// Revisions to show at most, the newest ones
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub max: usize,
    /// How long, and what is said in the end.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Which release.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Revision to go back to [default: the one that was deployed before]
    #[arg(value_name = "REVISION")]
    pub revision: Option<u32>,
    /// What may be done for it.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Where the records are.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// Records to keep at most, 0 keeps all
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub history_max: usize,
    /// Only say what would be done
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "client", value_name = "HOW")]
    pub dry_run: Option<DryRunArg>,
    /// How long, and what is said in the end.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `uninstall`.
#[derive(Debug, Args)]
pub struct UninstallArgs {
    /// Which release.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Where the records are.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// Keep the records, as `uninstalled`
    #[arg(long)]
    pub keep_history: bool,
    /// Delete classes that were adopted too; else they stay and only lose the ownership metadata
    #[arg(long)]
    pub delete_adopted: bool,
    /// What to do with classes that pods use
    #[arg(long, value_enum, default_value_t, value_name = "CHOICE")]
    pub in_use: InUse,
    /// How long, and what is said in the end.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What is to be.
#[derive(Debug, Args)]
pub struct WishArgs {
    /// Which release.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Its values.
    #[command(flatten)]
    pub values: ValuesArgs,
    /// Its templates.
    #[command(flatten)]
    pub templates: TemplatesArgs,
    /// Labels of the release's records, K=V; may be repeated or separated by commas
    #[arg(long, value_name = "K=V", value_delimiter = ',')]
    pub labels: Vec<String>,
}

/// What may be done to make it so.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// What to do with classes that belong to somebody else
    #[arg(long, value_enum, default_value = "fail", value_name = "CHOICE")]
    pub existing: Existing,
    /// Take over classes that belong to somebody else; the same as --existing adopt
    #[arg(long, conflicts_with = "existing")]
    pub take_ownership: bool,
    /// Overrule other field managers where they set another value
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_name = "BOOL")]
    pub force_conflicts: bool,
    /// What to do when a class's handler changes, which is immutable: replace the class, or end
    #[arg(long, value_enum, default_value_t, value_name = "CHOICE")]
    pub handler_change: HandlerChange,
    /// What to do with classes that are to be deleted or replaced, and that pods use
    #[arg(long, value_enum, default_value_t, value_name = "CHOICE")]
    pub in_use: InUse,
}

/// How a release is recorded.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Where the records are.
    #[command(flatten)]
    pub storage: StorageArgs,
    /// Records to keep at most, 0 keeps all
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub history_max: usize,
    /// What the record says was done, instead of the usual words
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub description: String,
}

/// Where the records are.
#[derive(Debug, Args)]
pub struct StorageArgs {
    /// Kind of object that holds the records
    #[arg(long, env = "HELM_DRIVER", default_value = "secret", value_name = "KIND")]
    pub storage: Storage,
}

/// How long a run may take, and what it says in the end.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Limit for the whole run, waiting for the API server included, as in 90s or 5m
    #[arg(long, env = "TIMEOUT", default_value = "5m0s", value_name = "DURATION")]
    pub timeout: Timeout,
    /// Form of the result on stdout
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
    /// File that gets the outcome in at most 4096 bytes; inside a pod by default /dev/termination-log
    #[arg(long, value_name = "FILE")]
    pub termination_log: Option<PathBuf>,
}

/// What to do when a handler changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum HandlerChange {
    /// Delete the class and create it anew.
    #[default]
    Recreate,
    /// End the run.
    Fail,
}

/// What to do with classes that are used and are to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum InUse {
    /// Leave them, or end the run where they would have to be replaced.
    #[default]
    Refuse,
    /// Delete them all the same.
    Force,
}

/// How far a rehearsal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DryRunArg {
    /// It does not.
    None,
    /// Reads and decides.
    Client,
    /// And asks the API server what it would say.
    Server,
}

/// Kind of object that holds the records, in any of Helm's spellings.
#[derive(Debug, Clone, Copy)]
pub struct Storage(pub Driver);

impl FromStr for Storage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" | "secret" | "secrets" => Ok(Self(Driver::Secret)),
            "configmap" | "configmaps" => Ok(Self(Driver::ConfigMap)),
            _ => Err("known are secret and configmap".to_owned()),
        }
    }
}

/// Arguments of `template`.
#[derive(Debug, Args)]
pub struct TemplateArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub release: ReleaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub values: ValuesArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub templates: TemplatesArgs,
}

/// Arguments of `values`.
#[derive(Debug, Args)]
pub struct ValuesCommandArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub values: ValuesArgs,
    /// Form of the values on stdout
    #[arg(short, long, value_enum, default_value = "yaml", value_name = "FORMAT")]
    pub output: DataOutput,
}

/// Arguments of `presets`.
#[derive(Debug, Args)]
pub struct PresetsArgs {
    /// Form of the result on stdout
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
}

/// Which release.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// Name of the release that owns the classes [default: runtimeclasses]
    #[arg(env = "NAME", default_value = "", hide_default_value = true, value_name = "RELEASE")]
    pub release: OrAbsent<ReleaseName>,
    /// Namespace of the release's records [default: kube-system]
    #[arg(
        short,
        long,
        env = "TARGET_NAMESPACE",
        default_value = "",
        hide_default_value = true,
        value_name = "NAMESPACE"
    )]
    pub namespace: OrAbsent<Namespace>,
}

/// Where values come from, in order of precedence from low to high.
#[derive(Debug, Args)]
pub struct ValuesArgs {
    /// Helm chart archive, plain or in base64, whose name, version and values are the defaults; its templates are not
    /// run [default: /chart/$NAME.tgz.base64 where it exists]
    #[arg(long, value_name = "FILE")]
    pub chart: Option<PathBuf>,
    /// Folder of values: each *.yaml in order of name [default: /config where it exists]
    #[arg(long, value_name = "DIR")]
    pub values_dir: Option<PathBuf>,
    /// File of values, - is stdin; may be repeated, the last one wins
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Values as KEY=JSON[,KEY=JSON...] or as one JSON object; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub set_json: Vec<String>,
    /// Values as KEY=VALUE[,KEY=VALUE...], over those of --set-json; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub set: Vec<String>,
    /// The same as text whatever they look like, over those of --set; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub set_string: Vec<String>,
}

/// Where templates come from.
#[derive(Debug, Args)]
pub struct TemplatesArgs {
    /// Folder of templates that replace the built-in one: runtimeclass.yaml, and what it includes
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// For test clusters: give every class this handler, as runc, and the label runtimeclass-installer/stub=true
    #[arg(long, value_name = "HANDLER")]
    pub stub_handler: Option<Handler>,
}

/// Forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For programs and people.
    Yaml,
}

/// Forms of data that has no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum DataOutput {
    Yaml,
    Json,
}

/// A flag or variable that may be present and empty, which means absent: helm-controller sets variables that way.
#[derive(Debug, Clone)]
pub struct OrAbsent<T>(pub Option<T>);

impl<T: FromStr> FromStr for OrAbsent<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

/// Limit for a whole run. Empty means the default, zero that there is no time to wait at all.
#[derive(Debug, Clone, Copy)]
pub struct Timeout(pub Duration);

impl FromStr for Timeout {
    type Err = duration::InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        duration::parse(if text.is_empty() { "5m0s" } else { text }).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn force_conflicts_may_be_given_with_and_without_a_value() {
        for (argument, expected) in
            [(None, true), (Some("--force-conflicts"), true), (Some("--force-conflicts=false"), false)]
        {
            let arguments = ["runtimeclass-installer", "install", "r"].into_iter().chain(argument);
            let Command::Install(install) = Cli::parse_from(arguments).command else { panic!() };
            assert_eq!(install.policy.force_conflicts, expected, "{argument:?}");
            assert_eq!(install.wish.release.release.0.unwrap().as_str(), "r");
        }
    }

    #[test]
    fn what_is_empty_is_absent() {
        let arguments = ["runtimeclass-installer", "install", "", "--namespace", "", "--timeout", ""];
        let Command::Install(install) = Cli::parse_from(arguments).command else { panic!() };
        assert!(install.wish.release.release.0.is_none() && install.wish.release.namespace.0.is_none());
        assert_eq!(install.run.timeout.0, Duration::from_secs(300));
    }
}
