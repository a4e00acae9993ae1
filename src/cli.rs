//! The command line: every flag, its environment twin, its default and its help, in one place. Names are Helm's and
//! kubectl's wherever those have one.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration;
use crate::log::LogFormat;
use crate::names::{Namespace, ReleaseName};

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
  2         usage, values or template are wrong
  4         the API server was not reached, or the deadline passed
  5         forbidden or unauthorised
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
    /// Print the manifests that install would apply; needs no cluster
    Template(TemplateArgs),
    /// Print the merged values; needs no cluster
    Values(ValuesCommandArgs),
}

/// Arguments of `install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub release: ReleaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub values: ValuesArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub templates: TemplatesArgs,
    /// Overrule other field managers where they set another value
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, value_name = "BOOL")]
    pub force_conflicts: bool,
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
    /// Folder of values: each *.yaml in order of name [default: /config where it exists]
    #[arg(long, value_name = "DIR")]
    pub values_dir: Option<PathBuf>,
    /// File of values, - is stdin; may be repeated, the last one wins
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Where templates come from.
#[derive(Debug, Args)]
pub struct TemplatesArgs {
    /// Folder of templates that replace the built-in one: runtimeclass.yaml, and what it includes
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
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
            assert_eq!(install.force_conflicts, expected, "{argument:?}");
            assert_eq!(install.release.release.0.unwrap().as_str(), "r");
        }
    }

    #[test]
    fn what_is_empty_is_absent() {
        let arguments = ["runtimeclass-installer", "install", "", "--namespace", "", "--timeout", ""];
        let Command::Install(install) = Cli::parse_from(arguments).command else { panic!() };
        assert!(install.release.release.0.is_none() && install.release.namespace.0.is_none());
        assert_eq!(install.timeout.0, Duration::from_secs(300));
    }
}
