//! A run of the real code, request by request: it is stopped at each one until the explorer lets the request happen.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use runtimeclass_installer::cluster::{Api, ClusterError};
use runtimeclass_installer::error::Error;
use runtimeclass_installer::names::{Namespace, Release};
use runtimeclass_installer::plan::{Policy, Wish};
use runtimeclass_installer::reconcile::{self, DryRun, reconcile};
use runtimeclass_installer::release::{Driver, Object, own_chart};
use runtimeclass_installer::render::Desired;
use runtimeclass_installer::uninstall::{self, uninstall};
use runtimeclass_installer::values::Existing;
use serde_json::{Value, json};

use super::world::{Answer, Op, name};

/// What a run wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Goal {
    /// Classes with their handlers.
    Install(&'static [(&'static str, &'static str)]),
    /// The release is to go.
    Uninstall { keep_history: bool },
}

/// Requests that wait for their moment, by number, and the answers that came.
#[derive(Default)]
struct Mailbox {
    next: usize,
    waiting: BTreeMap<usize, Op>,
    answers: BTreeMap<usize, Answer>,
}

#[derive(Clone)]
struct Simulated {
    mailbox: Rc<RefCell<Mailbox>>,
    clock: Rc<Cell<i64>>,
}

impl Simulated {
    async fn ask(&self, op: Op) -> Result<Answer, ClusterError> {
        let number = {
            let mut mailbox = self.mailbox.borrow_mut();
            mailbox.next += 1;
            let number = mailbox.next;
            mailbox.waiting.insert(number, op);
            number
        };
        let answer = poll_fn(|_| match self.mailbox.borrow_mut().answers.remove(&number) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        });
        match answer.await {
            Answer::Refused(code, field) => Err(Answer::error(code, field)),
            answer => Ok(answer),
        }
    }

    async fn class(&self, op: Op) -> Result<RuntimeClass, ClusterError> {
        match self.ask(op).await? {
            Answer::Class(class) => Ok(*class),
            other => panic!("{other:?} is no class"),
        }
    }

    async fn record(&self, op: Op) -> Result<Object, ClusterError> {
        match self.ask(op).await? {
            Answer::Record(record) => Ok(serde_json::from_value(record).unwrap()),
            other => panic!("{other:?} is no record"),
        }
    }

    async fn gone(&self, op: Op) -> Result<(), ClusterError> {
        match self.ask(op).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(drop),
        }
    }
}

impl Api for Simulated {
    async fn list_classes(&self) -> Result<Vec<RuntimeClass>, ClusterError> {
        match self.ask(Op::ListClasses).await? {
            Answer::Classes(classes) => Ok(classes),
            other => panic!("{other:?} are no classes"),
        }
    }

    async fn apply_class(
        &self,
        class: &RuntimeClass,
        over: Option<&RuntimeClass>,
        _force: bool,
        _dry_run: bool,
    ) -> Result<RuntimeClass, ClusterError> {
        let over = over.map(|read| (read.metadata.uid.clone(), read.metadata.resource_version.clone()));
        self.class(Op::Apply { class: class.clone(), over }).await
    }

    async fn create_class(&self, class: &RuntimeClass) -> Result<RuntimeClass, ClusterError> {
        self.class(Op::CreateClass(class.clone())).await
    }

    async fn delete_class(&self, class: &RuntimeClass) -> Result<(), ClusterError> {
        let metadata = class.metadata.clone();
        self.gone(Op::DeleteClass { name: name(class), uid: metadata.uid, version: metadata.resource_version }).await
    }

    async fn replace_managed_fields(
        &self,
        _: &RuntimeClass,
        _: &[ManagedFieldsEntry],
    ) -> Result<RuntimeClass, ClusterError> {
        panic!("nothing here was written by Helm 3")
    }

    async fn disown_class(&self, class: &RuntimeClass) -> Result<(), ClusterError> {
        self.class(Op::Disown { name: name(class), version: class.metadata.resource_version.clone() }).await.map(drop)
    }

    async fn users(&self, _: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<String>>, ClusterError> {
        Ok(BTreeMap::new())
    }

    async fn list_records(&self, _: Driver, _: &str, release: &str) -> Result<Vec<Object>, ClusterError> {
        match self.ask(Op::ListRecords(release.to_owned())).await? {
            Answer::Records(records) => {
                Ok(records.into_iter().map(|record| serde_json::from_value(record).unwrap()).collect())
            }
            other => panic!("{other:?} are no records"),
        }
    }

    async fn create_record(&self, _: Driver, _: &Namespace, object: &Value) -> Result<Object, ClusterError> {
        self.record(Op::CreateRecord(object.clone())).await
    }

    async fn replace_record(&self, _: Driver, _: &Namespace, object: &Value) -> Result<Object, ClusterError> {
        self.record(Op::ReplaceRecord(object.clone())).await
    }

    async fn delete_record(&self, _: Driver, _: &Namespace, name: &str, version: &str) -> Result<(), ClusterError> {
        self.gone(Op::DeleteRecord { name: name.to_owned(), version: version.to_owned() }).await
    }

    async fn create_namespace(&self, _: &Namespace) -> Result<(), ClusterError> {
        panic!("the namespace is there")
    }

    fn with_grace(&self, _: Duration) -> Self {
        self.clone()
    }

    async fn pause(&self, _: Duration, _: Option<&str>) -> Result<(), ClusterError> {
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.clock.set(self.clock.get() + 1);
        Timestamp::from_second(self.clock.get()).unwrap()
    }
}

/// A run on its way.
pub struct Run {
    mailbox: Rc<RefCell<Mailbox>>,
    future: Pin<Box<dyn Future<Output = Result<(), Error>>>>,
    result: Option<Result<(), Error>>,
}

impl Run {
    /// A run that is about to send its first requests. `number` tells its clock from that of others.
    pub fn start(goal: Goal, number: usize, history_max: usize) -> Self {
        let mailbox = Rc::new(RefCell::new(Mailbox::default()));
        let clock = Rc::new(Cell::new(1_000_000 * (1 + i64::try_from(number).unwrap())));
        let cluster = Simulated { mailbox: mailbox.clone(), clock };
        let future: Pin<Box<dyn Future<Output = _>>> = match goal {
            Goal::Install(classes) => Box::pin(install(cluster, classes, history_max)),
            Goal::Uninstall { keep_history } => Box::pin(async move {
                let options = uninstall::Options {
                    driver: Driver::ConfigMap,
                    policy: POLICY,
                    keep_history,
                    delete_adopted: false,
                };
                uninstall(&cluster, &release(), options).await.map(drop)
            }),
        };
        let mut run = Self { mailbox, future, result: None };
        run.poll();
        run
    }

    fn poll(&mut self) {
        if let Poll::Ready(result) = self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            self.result = Some(result);
        }
    }

    /// The requests that could happen now.
    pub fn waiting(&self) -> Vec<(usize, Op)> {
        self.mailbox.borrow().waiting.iter().map(|(number, op)| (*number, op.clone())).collect()
    }

    /// Gives an answer, and lets the run go on to its next requests.
    pub fn answer(&mut self, number: usize, answer: Answer) {
        let mut mailbox = self.mailbox.borrow_mut();
        mailbox.waiting.remove(&number).unwrap();
        mailbox.answers.insert(number, answer);
        drop(mailbox);
        self.poll();
    }

    /// How the run ended, if it has.
    pub fn result(&self) -> Option<&Result<(), Error>> {
        self.result.as_ref()
    }
}

const POLICY: Policy = Policy { existing: Existing::Fail, recreate: true, force_in_use: false, stub_over_real: false };

pub fn release() -> Release {
    Release { name: "r".parse().unwrap(), namespace: "n".parse().unwrap() }
}

async fn install(
    cluster: Simulated,
    classes: &'static [(&'static str, &'static str)],
    history_max: usize,
) -> Result<(), Error> {
    let release = release();
    let desired: Vec<Desired> = classes
        .iter()
        .map(|(name, handler)| {
            let mut object = RuntimeClass { handler: (*handler).to_owned(), ..RuntimeClass::default() };
            object.metadata.name = Some((*name).to_owned());
            Desired { object, existing: None }
        })
        .collect();
    let wish = Wish {
        release: &release,
        desired: &desired,
        manifest: None,
        config: json!({"classes": classes}),
        chart: own_chart("", &json!({})),
        labels: BTreeMap::new(),
        again: None,
    };
    let options = reconcile::Options {
        driver: Driver::ConfigMap,
        policy: POLICY,
        force: true,
        history_max,
        dry_run: DryRun::None,
        description: "",
        pending: None,
        create_namespace: false,
    };
    reconcile(&cluster, &wish, &options).await.map(drop)
}
