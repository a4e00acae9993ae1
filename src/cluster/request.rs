//! One request until it has an answer: the only place that knows the deadline, what is worth trying again, and when.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::anyhow;
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use kube::core::response::StatusSummary;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::connect::Connection;
use super::error::{ClusterError, seconds};
use crate::log::Log;

/// How long a single try may take: long enough for a busy API server, short enough to notice a dead connection.
const ONE_TRY: Duration = Duration::from_secs(15);
/// Waits between tries double from the first to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// A request that is not answered for so long is told of, since a person may be looking.
const SLOW: Duration = Duration::from_secs(3);
/// While waiting for the same reason, how often that is said.
const REMINDER: Duration = Duration::from_secs(10);

/// What hyper says of a request whose connection was tried by another one, in vain.
const CANCELED: &str = "request was canceled";

/// Requests sent, tries that failed included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Requests that only read.
    pub read: u32,
    /// Requests that could change something.
    pub write: u32,
}

/// The user's wish that the run ends: nothing new is begun then, and no wait goes on.
#[derive(Debug, Clone, Default)]
pub struct Stop(Rc<StopState>);

#[derive(Debug, Default)]
struct StopState {
    requested: Cell<bool>,
    notify: Notify,
}

impl Stop {
    /// Asks the run to end.
    pub fn request(&self) {
        self.0.requested.set(true);
        self.0.notify.notify_waiters();
    }

    /// Whether the run is to end.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.requested.get()
    }

    /// Resolves when the run is to end.
    async fn requested(&self) {
        let notified = self.0.notify.notified();
        if !self.is_requested() {
            notified.await;
        }
    }
}

/// Sends requests until they are answered or the deadline has passed.
pub(super) struct Sender {
    connection: Rc<Connection>,
    server: String,
    started: Instant,
    deadline: Instant,
    sent: Rc<Cell<Requests>>,
    log: Log,
    stop: Stop,
    last_notice: RefCell<Option<(String, Instant)>>,
}

/// What one try gave.
enum Answer<T> {
    Good(T),
    Refused(Box<Status>),
    /// The server cannot now: worth another try, after so long if it said so.
    Busy(anyhow::Error, Option<Duration>),
    /// Nobody knows whether the server did it: worth another try over another connection.
    Lost(anyhow::Error),
    /// Not worth another try.
    Broken(anyhow::Error),
}

impl Sender {
    pub(super) fn new(connection: Connection, server: String, limit: Duration, log: Log, stop: Stop) -> Self {
        let started = Instant::now();
        Self {
            connection: Rc::new(connection),
            server,
            started,
            deadline: started + limit,
            sent: Rc::default(),
            log,
            stop,
            last_notice: RefCell::default(),
        }
    }

    /// The same for what must not stay half done: it has some time left after the deadline, and no wish to stop ends it.
    pub(super) fn with_grace(&self, grace: Duration) -> Self {
        Self {
            connection: self.connection.clone(),
            server: self.server.clone(),
            started: self.started,
            deadline: self.deadline.max(Instant::now() + grace),
            sent: self.sent.clone(),
            log: self.log,
            stop: Stop::default(),
            last_notice: RefCell::default(),
        }
    }

    pub(super) fn sent(&self) -> Requests {
        self.sent.get()
    }

    /// Sends a request and reads the answer, trying again until the deadline where that can help.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        operation: &str,
        request: http::Request<Vec<u8>>,
    ) -> Result<T, ClusterError> {
        let mut wait = FIRST_WAIT;
        loop {
            if self.stop.is_requested() {
                return Err(ClusterError::Stopped);
            }
            let (client, number) = self.connection.client();
            let (error, asked) = match self.answer(operation, &client, &request).await? {
                Answer::Good(value) => return Ok(value),
                // A token expires, and somebody puts another one into its file.
                Answer::Refused(status) if status.code == 401 && self.connection.renew_credentials(number).await => {
                    continue;
                }
                Answer::Refused(status) => {
                    let operation = operation.to_owned();
                    return Err(match status.code {
                        401 | 403 => ClusterError::Denied { operation, status },
                        _ => ClusterError::Refused { operation, status },
                    });
                }
                Answer::Broken(source) => {
                    return Err(ClusterError::Nonsense { operation: operation.to_owned(), source });
                }
                Answer::Busy(error, asked) => (error, asked),
                Answer::Lost(error) => {
                    self.connection.renew(number).await;
                    (error, None)
                }
            };
            let pause = asked.unwrap_or_else(|| jittered(wait));
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left <= pause {
                let last = self.last_notice.borrow_mut().take().map(|(reason, _)| anyhow!(reason));
                let error = if error.to_string() == CANCELED { last.unwrap_or(error) } else { error };
                return Err(ClusterError::Unreachable {
                    operation: operation.to_owned(),
                    server: self.server.clone(),
                    waited: self.started.elapsed(),
                    source: error,
                });
            }
            self.notice(&format!(" for the API server at {}", self.server), &format!("{error:#}"));
            self.sleep(pause).await?;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Lets time pass for something else than an answer.
    pub(super) async fn pause(&self, time: Duration, reason: Option<&str>) -> Result<(), ClusterError> {
        if let Some(reason) = reason {
            self.notice("", reason);
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.sleep(time.min(left)).await?;
        if left > time {
            return Ok(());
        }
        Err(ClusterError::TooLate {
            waited: self.started.elapsed(),
            reason: reason.unwrap_or("other runs were faster again and again").to_owned(),
        })
    }

    async fn sleep(&self, time: Duration) -> Result<(), ClusterError> {
        tokio::select! {
            () = sleep(time) => Ok(()),
            () = self.stop.requested() => Err(ClusterError::Stopped),
        }
    }

    /// One try, with a word to whoever looks on if it takes long.
    async fn answer<T: DeserializeOwned>(
        &self,
        operation: &str,
        client: &Client,
        request: &http::Request<Vec<u8>>,
    ) -> Result<Answer<T>, ClusterError> {
        let only_reads = request.method() == http::Method::GET;
        let mut one_try = pin!(self.one_try(operation, client, request.clone()));
        let mut patience = SLOW;
        loop {
            tokio::select! {
                answer = &mut one_try => return Ok(answer),
                // The answer to a write is worth waiting for: without it nobody knows what was done.
                () = self.stop.requested(), if only_reads => return Err(ClusterError::Stopped),
                () = sleep(patience) => {
                    self.notice(&format!(" for the API server at {}", self.server), "it does not answer");
                    patience = REMINDER;
                }
            }
        }
    }

    async fn one_try<T: DeserializeOwned>(
        &self,
        operation: &str,
        client: &Client,
        request: http::Request<Vec<u8>>,
    ) -> Answer<T> {
        let mut sent = self.sent.get();
        if request.method() == http::Method::GET {
            sent.read += 1;
        } else {
            sent.write += 1;
        }
        self.sent.set(sent);
        self.log.debug(&format!("{operation}: {} {}", request.method(), request.uri()));

        let limit = self.deadline.saturating_duration_since(Instant::now()).min(ONE_TRY);
        let exchange = async {
            let response = client.send(request.map(Body::from)).await?;
            let (head, body) = response.into_parts();
            Ok::<_, kube::Error>((head, body.collect_bytes().await?))
        };
        let (head, body) = match timeout(limit, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(kube::Error::Auth(error))) => {
                return Answer::Broken(anyhow::Error::from(error).context("no credentials"));
            }
            Ok(Err(error)) => return Answer::Lost(plain(error)),
            Err(_) => return Answer::Lost(anyhow!("no answer within {}", seconds(limit))),
        };
        if head.status.is_success() {
            return match serde_json::from_slice(&body) {
                Ok(value) => Answer::Good(value),
                // A connection that ends early leaves half a document.
                Err(error) if error.is_eof() => Answer::Lost(anyhow!("the answer was cut short")),
                Err(error) => Answer::Broken(error.into()),
            };
        }
        let status = status(head.status, &body);
        if head.status.as_u16() == 429 || head.status.is_server_error() {
            let seconds = head.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            return Answer::Busy(anyhow!("{} ({})", status.message, status.code), seconds.map(Duration::from_secs));
        }
        Answer::Refused(status)
    }

    /// Says what is waited for: at once when the reason is new, then now and again.
    fn notice(&self, whom: &str, reason: &str) {
        // Requests share a connection: the one that did not make it says no more than that.
        if reason == CANCELED {
            return;
        }
        let mut last = self.last_notice.borrow_mut();
        if last.as_ref().is_some_and(|(text, when)| text == reason && when.elapsed() < REMINDER) {
            return;
        }
        let left = seconds(self.deadline.saturating_duration_since(Instant::now()));
        self.log.info(&format!("waiting{whom}, {left} left: {reason}"));
        *last = Some((reason.to_owned(), Instant::now()));
    }
}

/// Between half and all of the wait, so that many runs that failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1000;
    wait / 2 + wait / 2000 * u32::try_from(random).unwrap_or(0)
}

/// The API server's own words, or what can be said without them: a proxy in between may answer in its own way.
fn status(code: http::StatusCode, body: &[u8]) -> Box<Status> {
    let mut status: Status = serde_json::from_slice(body).unwrap_or_else(|_| {
        let text: String = String::from_utf8_lossy(body).trim().chars().take(200).collect();
        let message = if text.is_empty() { "no explanation".to_owned() } else { text };
        Status { status: Some(StatusSummary::Failure), message, ..Status::default() }
    });
    status.code = code.as_u16();
    Box::new(status)
}

/// kube's and hyper's errors repeat their causes in their own text: the innermost says what happened.
fn plain(error: kube::Error) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    let innermost = error.root_cause().to_string();
    anyhow!(innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_jittered_between_half_and_all_of_it() {
        let wait = Duration::from_millis(1000);
        for _ in 0..100 {
            let jittered = jittered(wait);
            assert!((wait / 2..=wait).contains(&jittered), "{jittered:?}");
        }
    }

    #[test]
    fn an_answer_that_is_not_kubernetes_own_is_still_told() {
        let code = http::StatusCode::BAD_GATEWAY;
        assert_eq!(status(code, b"<html>nginx</html>").message, "<html>nginx</html>");
        assert_eq!(status(code, b"").message, "no explanation");
        assert_eq!(status(code, b"{\"message\": \"m\", \"code\": 1}").code, 502);
    }
}
