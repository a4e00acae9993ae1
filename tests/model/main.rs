//! Every order in which the requests of a few runs can happen, with crashes and lost answers, walked through with the code
//! that runs: `reconcile`, `plan` and `execute` themselves, on a cluster in memory.
//!
//! Runs are deterministic but for the order of requests, so that what a run will do next follows from the answers that it
//! had. Two moments at which the cluster is the same and each run has had the same answers go on in the same way, and
//! only one of them is followed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]
#![expect(clippy::print_stdout, reason = "the numbers say how much was explored")]

mod run;
mod world;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};

use run::{Goal, Run};
use runtimeclass_installer::release::Status;
use world::{Op, World, fingerprint};

/// A run that has sent so many requests goes round for ever.
const TOO_MANY: usize = 120;

/// What the explorer lets happen next.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A request of a run, and its answer.
    Request(usize, usize),
    /// A request, but the answer is lost: the run sends it again.
    Lost(usize, usize),
    /// The end of a run, as by SIGKILL.
    Crash(usize),
}

/// What to explore.
#[derive(Debug, Clone)]
struct Scenario {
    /// Runs that were done before, one after the other.
    before: Vec<Goal>,
    /// Changes by hand after those.
    drift: fn(&mut World),
    /// Runs at the same time.
    goals: Vec<Goal>,
    crashes: usize,
    lost: usize,
    history_max: usize,
}

impl Scenario {
    fn new(before: &[Goal], goals: &[Goal]) -> Self {
        Self { before: before.to_vec(), drift: |_| {}, goals: goals.to_vec(), crashes: 0, lost: 0, history_max: 10 }
    }

    fn crashes(self, crashes: usize) -> Self {
        Self { crashes, ..self }
    }

    fn lost(self, lost: usize) -> Self {
        Self { lost, ..self }
    }
}

/// The cluster and the runs at one moment.
struct Moment<'a> {
    scenario: &'a Scenario,
    world: World,
    runs: Vec<Option<Run>>,
    /// What each run has been told: request and answer.
    told: Vec<BTreeMap<usize, u64>>,
    /// Requests of each run that were carried out.
    sent: Vec<usize>,
    /// Revisions that each run began.
    begun: Vec<usize>,
    crashes: usize,
    lost: usize,
}

impl<'a> Moment<'a> {
    fn first(scenario: &'a Scenario, world: &World) -> Self {
        let runs: Vec<Option<Run>> = scenario
            .goals
            .iter()
            .enumerate()
            .map(|(number, goal)| Some(Run::start(*goal, number, scenario.history_max)))
            .collect();
        let count = runs.len();
        Self {
            scenario,
            world: world.clone(),
            runs,
            told: vec![BTreeMap::new(); count],
            sent: vec![0; count],
            begun: vec![0; count],
            crashes: 0,
            lost: 0,
        }
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (number, run) in self.runs.iter().enumerate() {
            let Some(run) = run.as_ref().filter(|run| run.result().is_none()) else { continue };
            for (request, op) in run.waiting() {
                events.push(Event::Request(number, request));
                if self.lost < self.scenario.lost && op.writes() {
                    events.push(Event::Lost(number, request));
                }
            }
            if self.crashes < self.scenario.crashes {
                events.push(Event::Crash(number));
            }
        }
        events
    }

    fn happen(&mut self, event: Event) {
        let (number, request) = match event {
            Event::Crash(number) => {
                self.crashes += 1;
                self.runs[number] = None;
                return;
            }
            Event::Request(number, request) | Event::Lost(number, request) => (number, request),
        };
        let run = self.runs[number].as_mut().unwrap();
        let op = run.waiting().into_iter().find(|(waiting, _)| *waiting == request).unwrap().1;
        let answer = self.world.carry_out(&op);
        self.sent[number] += 1;
        assert!(self.sent[number] < TOO_MANY, "a run goes round for ever");
        if matches!((&op, &answer), (Op::CreateRecord(_), world::Answer::Record(_))) {
            self.begun[number] += 1;
        }
        if matches!(event, Event::Lost(..)) {
            self.lost += 1;
        } else {
            self.told[number].insert(request, fingerprint(&answer));
            run.answer(request, answer);
        }
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.world.fingerprint().hash(&mut hasher);
        let crashed: Vec<bool> = self.runs.iter().map(Option::is_none).collect();
        (&self.told, crashed, self.crashes, self.lost).hash(&mut hasher);
        hasher.finish()
    }

    /// What has to hold when all runs have ended.
    fn check_end(mut self) -> Result<(), String> {
        for (number, run) in self.runs.iter().enumerate() {
            if let Some(Err(error)) = run.as_ref().and_then(Run::result) {
                return Err(format!("run {number} failed: {error}"));
            }
            if self.begun[number] > 1 {
                return Err(format!("run {number} began {} revisions", self.begun[number]));
            }
        }
        if self.crashes > 0 {
            // One further run mends what a crash left.
            let goal = self.scenario.goals[0];
            alone(goal, 90, self.scenario.history_max, &mut self.world)
                .map_err(|error| format!("afterwards: {error}"))?;
        }
        settled(&self.world)
    }
}

/// Lets a run happen without any other.
fn alone(goal: Goal, number: usize, history_max: usize, world: &mut World) -> Result<(), String> {
    let mut run = Run::start(goal, number, history_max);
    for _ in 0..TOO_MANY {
        match run.result() {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => return Err(error.to_string()),
            None => {}
        }
        let (request, op) = run.waiting().into_iter().next().unwrap();
        run.answer(request, world.carry_out(&op));
    }
    Err("it goes round for ever".to_owned())
}

/// One revision is deployed, it is the newest, and the classes are what it says; or the release is gone.
fn settled(world: &World) -> Result<(), String> {
    let history = world.history();
    let statuses: Vec<(u32, Status)> =
        history.records.iter().map(|stored| (stored.record.revision(), stored.record.status())).collect();
    let wrong = |what: &str| Err(format!("{what}: revisions {statuses:?}, classes {:?}", world.handlers()));
    if world.classes.get("theirs").is_some_and(|class| class.metadata.resource_version.as_deref() != Some("1")) {
        return wrong("a class of somebody else was touched");
    }
    let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
    if world.classes.contains_key("theirs") {
        expected.insert("theirs", "x");
    }
    let newest = history.newest().filter(|newest| newest.record.status() != Status::Uninstalled);
    if let Some(newest) = newest {
        let deployed = statuses.iter().filter(|(_, status)| *status == Status::Deployed).count();
        let is_unended = |status: Status| status.is_pending() || status == Status::Unknown;
        if newest.record.status() != Status::Deployed || deployed != 1 {
            return wrong("the newest revision is not the one that is deployed");
        }
        if statuses.iter().any(|(_, status)| is_unended(*status)) {
            return wrong("a revision was not ended");
        }
        for class in newest.record.classes().unwrap() {
            expected.insert(class.metadata.name.as_deref().unwrap(), &class.handler);
        }
        if world.handlers() != expected {
            return wrong("the classes are not those of the newest revision");
        }
        let owned = |name: &str| world.classes[name].metadata.labels.is_some();
        if expected.keys().any(|name| *name != "theirs" && !owned(name)) {
            return wrong("a class is not marked");
        }
    } else if world.handlers() != expected {
        return wrong("the release is gone, and its classes are not");
    }
    Ok(())
}

/// Walks through everything that can happen, and gives the number of moments and of ends.
fn explore(scenario: &Scenario) -> (usize, usize) {
    let mut world = World::default();
    let theirs = serde_json::from_value(serde_json::json!({"metadata": {"name": "theirs"}, "handler": "x"})).unwrap();
    world.carry_out(&Op::CreateClass(theirs));
    for (number, goal) in scenario.before.iter().enumerate() {
        alone(*goal, 100 + number, scenario.history_max, &mut world).unwrap();
    }
    (scenario.drift)(&mut world);

    let mut seen = HashSet::new();
    let mut ends = 0;
    let mut paths: Vec<Vec<Event>> = vec![Vec::new()];
    while let Some(mut path) = paths.pop() {
        let mut moment = Moment::first(scenario, &world);
        for event in &path {
            moment.happen(*event);
        }
        loop {
            if !seen.insert(moment.fingerprint()) {
                break;
            }
            let mut events = moment.events();
            let Some(next) = events.pop() else {
                ends += 1;
                if let Err(wrong) = moment.check_end() {
                    panic!("{wrong}\nafter {}", told(scenario, &world, &path));
                }
                break;
            };
            paths.extend(events.into_iter().map(|event| [path.as_slice(), &[event]].concat()));
            path.push(next);
            moment.happen(next);
        }
    }
    (seen.len(), ends)
}

/// What happened, for people.
fn told(scenario: &Scenario, world: &World, path: &[Event]) -> String {
    let mut moment = Moment::first(scenario, world);
    let mut lines = vec![format!("{:?} with {:?} at once:", scenario.before, scenario.goals)];
    for event in path {
        let op = match event {
            Event::Request(number, request) | Event::Lost(number, request) => {
                let run = moment.runs[*number].as_ref().unwrap();
                run.waiting().into_iter().find(|(waiting, _)| waiting == request).map(|(_, op)| told_op(&op))
            }
            Event::Crash(_) => None,
        };
        moment.happen(*event);
        lines.push(format!("  {event:?} {}", op.unwrap_or_default()));
    }
    lines.join("\n")
}

fn told_op(op: &Op) -> String {
    match op {
        Op::ListClasses => "list classes".to_owned(),
        Op::Apply { class, .. } => format!("apply {}={}", world::name(class), class.handler),
        Op::CreateClass(class) => format!("create {}={}", world::name(class), class.handler),
        Op::DeleteClass { name, .. } | Op::DeleteRecord { name, .. } => format!("delete {name}"),
        Op::Disown { name, .. } => format!("disown {name}"),
        Op::ListRecords(_) => "list records".to_owned(),
        Op::CreateRecord(object) => {
            format!("create {} {}", world::record_name(object), object["metadata"]["labels"]["status"])
        }
        Op::ReplaceRecord(object) => {
            format!("replace {} {}", world::record_name(object), object["metadata"]["labels"]["status"])
        }
    }
}

const A: Goal = Goal::Install(&[("a", "x"), ("b", "x")]);
/// A class changes its handler, and one is dropped.
const B: Goal = Goal::Install(&[("a", "y")]);
/// Another handler for a class, and a class more.
const C: Goal = Goal::Install(&[("b", "y"), ("c", "x")]);
/// One class: for what has many orders already.
const S: Goal = Goal::Install(&[("a", "x")]);
const T: Goal = Goal::Install(&[("a", "y")]);
const OTHER: Goal = Goal::Install(&[("b", "x")]);
const GONE: Goal = Goal::Uninstall { keep_history: false };
const MARKED_GONE: Goal = Goal::Uninstall { keep_history: true };

#[track_caller]
fn explored(name: &str, scenario: &Scenario) {
    let (moments, ends) = explore(scenario);
    println!("{name}: {moments} moments, {ends} ends");
    assert!(ends > 0);
}

/// A class loses its mark.
fn unmark(world: &mut World) {
    world.classes.get_mut("a").unwrap().metadata.labels = None;
}

#[test]
fn two_runs_on_an_empty_cluster() {
    explored("the same wish", &Scenario::new(&[], &[A, A]));
    explored("different wishes", &Scenario::new(&[], &[S, T]));
}

#[test]
fn two_runs_on_a_release() {
    explored("the same change", &Scenario::new(&[S], &[T, T]));
}

#[test]
fn a_run_and_an_uninstall() {
    explored("gone, over nothing", &Scenario::new(&[], &[S, GONE]));
    explored("gone, over the same", &Scenario::new(&[S], &[S, GONE]));
    explored("two uninstalls", &Scenario::new(&[S], &[GONE, GONE]));
}

#[test]
fn a_crash_at_any_moment() {
    explored("alone, first", &Scenario::new(&[], &[A]).crashes(1));
    explored("alone, a change", &Scenario::new(&[A], &[B]).crashes(1));
    explored("alone, an uninstall", &Scenario::new(&[A], &[GONE]).crashes(1));
    explored("two runs", &Scenario::new(&[], &[S, OTHER]).crashes(1));
}

#[test]
fn an_answer_that_is_lost() {
    explored("alone, first", &Scenario::new(&[], &[A]).lost(2));
    explored("alone, a change", &Scenario::new(&[A], &[B]).lost(2));
    explored("alone, an uninstall", &Scenario::new(&[A], &[GONE]).lost(2));
}

/// What takes minutes.
#[test]
#[ignore = "takes minutes: cargo test --release --test model -- --ignored"]
fn wider() {
    explored("a change, and what was there", &Scenario::new(&[S], &[T, S]));
    explored("two changes of one class", &Scenario::new(&[S], &[T, OTHER]));
    explored("drift of one class", &Scenario { drift: unmark, ..Scenario::new(&[S], &[S, T]) });
    explored("gone, over another wish", &Scenario::new(&[S], &[T, GONE]));
    explored("kept as uninstalled", &Scenario::new(&[S], &[T, MARKED_GONE]));
    explored("two classes", &Scenario::new(&[], &[A, B]));
    explored("two changes", &Scenario::new(&[A], &[B, C]));
    explored("a crash", &Scenario::new(&[S], &[T, S]).crashes(1));
    explored("a lost answer, first", &Scenario::new(&[], &[S, OTHER]).lost(1));
    explored("a lost answer", &Scenario::new(&[S], &[T, S]).lost(1));
    explored("drift", &Scenario { drift: unmark, ..Scenario::new(&[A], &[A, B]) });
    explored("a history of one", &Scenario { history_max: 1, ..Scenario::new(&[S], &[T, S]) });
    explored("three runs", &Scenario::new(&[], &[S, T, S]));
}
