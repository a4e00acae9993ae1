//! Lines on stderr for the person who watches or reads the pod's log. Results go to stdout, by [`crate::report`].

use std::io::Write;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// `warning: …`
    #[default]
    Text,
    /// One JSON object a line: `time` (RFC 3339), `level`, `message`.
    Json,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Only errors.
    Error,
    /// And what the user should look at.
    Warning,
    /// And what is going on.
    #[default]
    Info,
    /// And every request.
    Debug,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// Writes log lines; cheap to copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log {
    /// Lines above this level are left out.
    pub level: Level,
    /// How they look.
    pub format: LogFormat,
}

impl Log {
    /// Writes a line. That stderr cannot be written to is no reason to stop, so it is not told.
    pub fn line(self, level: Level, message: &str) {
        if level > self.level {
            return;
        }
        let line = match self.format {
            LogFormat::Text if level == Level::Info => message.to_owned(),
            LogFormat::Text => format!("{}: {message}", level.word()),
            LogFormat::Json => serde_json::json!({
                "time": jiff::Timestamp::now().to_string(),
                "level": level.word(),
                "message": message,
            })
            .to_string(),
        };
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// What is going on.
    pub fn info(self, message: &str) {
        self.line(Level::Info, message);
    }

    /// What the user should look at.
    pub fn warning(self, message: &str) {
        self.line(Level::Warning, message);
    }

    /// Details, for `--verbose`.
    pub fn debug(self, message: &str) {
        self.line(Level::Debug, message);
    }
}
