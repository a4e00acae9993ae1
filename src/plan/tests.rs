#![expect(clippy::cloned_ref_to_slice_refs, reason = "a case reads better without std::slice::from_ref")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, OwnerReference};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::names::{RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION};
use crate::release::{Driver, Object, Record, Status, Times, new_object};

mod stubs;

const POLICY: Policy = Policy { existing: Existing::Fail, recreate: true, force_in_use: false, stub_over_real: false };

fn release() -> Release {
    Release { name: "runtimeclasses".parse().unwrap(), namespace: "kube-system".parse().unwrap() }
}

fn class(name: &str, handler: &str, labels: &[(&str, &str)]) -> RuntimeClass {
    let mut class = RuntimeClass { handler: handler.to_owned(), ..RuntimeClass::default() };
    class.metadata.name = Some(name.to_owned());
    class.metadata.labels = (!labels.is_empty())
        .then(|| labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
    class
}

fn desired(classes: &[RuntimeClass]) -> Vec<Desired> {
    classes.iter().map(|class| Desired { object: class.clone(), existing: None }).collect()
}

/// The class as the API server has it after this program applied it.
fn applied(class: &RuntimeClass) -> RuntimeClass {
    let mut class = class.clone();
    ownership::stamp(&mut class, &release());
    owned_by_manager(class, "helm", "Apply")
}

/// The class with an entry by which a manager owns all its fields.
fn owned_by_manager(mut class: RuntimeClass, manager: &str, operation: &str) -> RuntimeClass {
    let mut fields = Map::new();
    for path in fields::leaves(&class).into_keys() {
        let (parents, key) = match ["metadata.labels.", "metadata.annotations.", "overhead.podFixed."]
            .iter()
            .find_map(|prefix| Some((*prefix, path.strip_prefix(prefix)?)))
        {
            Some((prefix, key)) => (prefix.trim_end_matches('.').split('.').collect::<Vec<_>>(), key.to_owned()),
            None => (Vec::new(), path.clone()),
        };
        let mut at = &mut fields;
        for parent in parents {
            at = at.entry(format!("f:{parent}")).or_insert_with(|| json!({})).as_object_mut().unwrap();
        }
        at.insert(format!("f:{key}"), json!({}));
    }
    class.metadata.managed_fields.get_or_insert_default().push(ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        operation: Some(operation.to_owned()),
        fields_v1: Some(FieldsV1(Value::Object(fields))),
        ..ManagedFieldsEntry::default()
    });
    class
}

fn of_release(mut class: RuntimeClass, name: &str) -> RuntimeClass {
    let annotations = class.metadata.annotations.get_or_insert_default();
    annotations.insert(RELEASE_NAME_ANNOTATION.to_owned(), name.to_owned());
    annotations.insert(RELEASE_NAMESPACE_ANNOTATION.to_owned(), "kube-system".to_owned());
    class
}

fn wish<'a>(release: &'a Release, desired: &'a [Desired]) -> Wish<'a> {
    Wish {
        release,
        desired,
        manifest: None,
        config: json!({}),
        chart: crate::release::own_chart("", &json!({})),
        labels: BTreeMap::new(),
        again: None,
    }
}

/// Records of the given revisions, each with its status and classes.
fn history(revisions: &[(u32, Status, &[RuntimeClass])]) -> History {
    let release = release();
    let objects = revisions.iter().map(|(revision, status, classes)| {
        let desired = desired(classes);
        let wish = wish(&release, &desired);
        let content = crate::release::Content::new(&desired, wish.config, wish.chart, wish.labels);
        let times = Times { first_deployed: "2026-01-01T00:00:00Z".to_owned(), now: "2026-01-01T00:00:00Z".to_owned() };
        let record = Record::pending(&release, *revision, *status, &content, &times, "");
        stored_object(&record)
    });
    History::read(Driver::Secret, objects.collect())
}

fn stored_object(record: &Record) -> Object {
    let object = new_object(Driver::Secret, &release(), record, jiff::Timestamp::UNIX_EPOCH).unwrap();
    serde_json::from_value(object).unwrap()
}

/// A case: what is desired, what is there, what is recorded, and what is to come of it.
#[derive(Debug)]
struct Case {
    desired: Vec<Desired>,
    live: Vec<RuntimeClass>,
    history: History,
    others: Others,
    policy: Policy,
}

impl Case {
    fn new(classes: &[RuntimeClass], live: &[RuntimeClass]) -> Self {
        Self {
            desired: desired(classes),
            live: live.to_vec(),
            history: History::default(),
            others: Others::new(),
            policy: POLICY,
        }
    }

    fn recorded(self, revisions: &[(u32, Status, &[RuntimeClass])]) -> Self {
        Self { history: history(revisions), ..self }
    }

    fn plan(&self) -> Result<Plan, Refusal> {
        let release = release();
        let observed = Observed { classes: &self.live, history: &self.history, others: &self.others };
        install(&wish(&release, &self.desired), observed, self.policy)
    }

    #[track_caller]
    fn gives(&self, expected: &[(&str, Action, Write)]) -> Plan {
        let plan = self.plan().unwrap();
        let steps: Vec<_> = plan.steps.iter().map(|step| (step.name.as_str(), step.action, step.write)).collect();
        assert_eq!(steps, expected);
        plan
    }
}

#[test]
fn what_is_not_there_is_created_and_recorded() {
    let case = Case::new(&[class("b", "h", &[]), class("a", "h", &[])], &[]);
    let plan = case.gives(&[("a", Action::Created, Write::Apply), ("b", Action::Created, Write::Apply)]);
    assert!(matches!(plan.revision, Revision::New { revision: 1, status: Status::PendingInstall, .. }));
}

#[test]
fn nothing_changed_is_nothing_to_do() {
    let a = class("a", "h", &[("x", "1")]);
    let case = Case::new(&[a.clone()], &[applied(&a)]).recorded(&[(3, Status::Deployed, &[a])]);
    let plan = case.gives(&[("a", Action::Unchanged, Write::Nothing)]);
    assert!(!plan.changes_anything());
}

#[test]
fn drift_is_repaired_without_a_revision_and_a_changed_value_with_one() {
    let (old, new) = (class("a", "h", &[("x", "1")]), class("a", "h", &[("x", "2")]));
    let drifted = owned_by_manager(class("a", "h", &[]), "kubectl", "Update");
    let plan = Case::new(&[old.clone()], &[drifted.clone()])
        .recorded(&[(1, Status::Deployed, &[old.clone()])])
        .gives(&[("a", Action::Repaired, Write::Apply)]);
    assert!(matches!(plan.revision, Revision::Same));
    let plan = Case::new(&[new], &[applied(&old)]).recorded(&[(1, Status::Deployed, &[old])]).gives(&[(
        "a",
        Action::Updated,
        Write::Apply,
    )]);
    assert!(matches!(plan.revision, Revision::New { revision: 2, status: Status::PendingUpgrade, .. }));
}

#[test]
fn a_recorded_class_without_our_marks_is_ours_unless_another_release_has_it_too() {
    let a = class("a", "h", &[]);
    let theirs = of_release(a.clone(), "other");
    let mut case = Case::new(&[a.clone()], &[theirs]).recorded(&[(1, Status::Deployed, &[a])]);
    case.gives(&[("a", Action::Repaired, Write::Apply)]);
    assert_eq!(
        releases_to_look_up(&release(), &case.live, &case.history).into_iter().collect::<Vec<_>>(),
        [("kube-system".to_owned(), "other".to_owned())]
    );
    case.others = Others::from([(("kube-system".to_owned(), "other".to_owned()), ["a".to_owned()].into())]);
    let Err(Refusal::Foreign { classes }) = case.plan() else { panic!() };
    assert_eq!(classes, [("a".to_owned(), Owner::Release("kube-system/other".to_owned()))]);
}

#[test]
fn a_foreign_class_is_refused_adopted_or_skipped_as_told() {
    let (a, b) = (class("a", "h", &[]), class("b", "h", &[]));
    let mut case =
        Case::new(&[a.clone(), b.clone()], &[of_release(a.clone(), "other"), owned_by_manager(b, "kubectl", "Apply")]);
    let refusal = case.plan().unwrap_err().to_string();
    for part in [
        "2 classes belong to somebody else",
        "\n  a: the Helm release kube-system/other",
        "\n  b: no release, written by kubectl",
        "--take-ownership",
        "--existing skip",
        "existing: adopt",
    ] {
        assert!(refusal.contains(part), "{refusal}");
    }
    case.policy.existing = Existing::Adopt;
    let plan = case.gives(&[("a", Action::Adopted, Write::Apply), ("b", Action::Adopted, Write::Apply)]);
    assert_eq!(plan.adopted, ["a", "b"]);
    case.policy.existing = Existing::Skip;
    let plan = case.gives(&[("a", Action::Skipped, Write::Nothing), ("b", Action::Skipped, Write::Nothing)]);
    let Revision::New { content, .. } = plan.revision else { panic!() };
    assert_eq!(content.classes, [], "a class that stays foreign is not recorded, or it would be ours at the next run");
    case.desired[0].existing = Some(Existing::Adopt);
    case.gives(&[("a", Action::Adopted, Write::Apply), ("b", Action::Skipped, Write::Nothing)]);
}

#[test]
fn a_class_with_a_controller_is_taken_only_by_its_own_word() {
    let mut theirs = class("a", "h", &[]);
    theirs.metadata.owner_references = Some(vec![OwnerReference {
        kind: "ClusterPolicy".to_owned(),
        name: "cluster-policy".to_owned(),
        controller: Some(true),
        ..OwnerReference::default()
    }]);
    let mut case = Case::new(&[class("a", "h", &[])], &[theirs]);
    case.policy.existing = Existing::Adopt;
    let plan = case.gives(&[("a", Action::Skipped, Write::Nothing)]);
    assert!(plan.warnings[0].contains("ClusterPolicy/cluster-policy"), "{:?}", plan.warnings);
    case.desired[0].existing = Some(Existing::Adopt);
    case.gives(&[("a", Action::Adopted, Write::Apply)]);
}

#[test]
fn a_changed_handler_is_a_new_object_or_a_refusal() {
    let old = class("a", "old", &[]);
    let mut case = Case::new(&[class("a", "new", &[])], &[applied(&old)]).recorded(&[(1, Status::Deployed, &[old])]);
    let plan = case.gives(&[("a", Action::Recreated, Write::Replace)]);
    let users = BTreeMap::from([("a".to_owned(), vec!["pod default/p".to_owned()])]);
    let refusal = plan.clone().considering(&users, POLICY, true).unwrap_err().to_string();
    assert!(refusal.contains("a: pod default/p") && refusal.contains("--in-use force"), "{refusal}");
    assert!(plan.clone().considering(&BTreeMap::new(), POLICY, true).is_ok());
    let forced = plan.considering(&users, Policy { force_in_use: true, ..POLICY }, true).unwrap();
    assert_eq!((forced.steps[0].write, forced.steps[0].used_by.len()), (Write::Replace, 1));
    case.policy.recreate = false;
    let refusal = case.plan().unwrap_err().to_string();
    assert!(refusal.contains("a: old is to become new") && refusal.contains("--handler-change recreate"), "{refusal}");
}

#[test]
fn what_is_dropped_goes_unless_it_is_used_or_marked() {
    let (a, b) = (class("a", "h", &[]), class("b", "h", &[]));
    let mut marked = applied(&b);
    marked.metadata.annotations.as_mut().unwrap().insert("helm.sh/resource-policy".to_owned(), "keep".to_owned());
    let live = [applied(&a), marked, class("users-own", "h", &[])];
    let case = Case::new(&[], &live).recorded(&[(1, Status::Deployed, &[a, b])]);
    let plan = case.gives(&[("a", Action::Pruned, Write::Delete), ("b", Action::Kept, Write::Nothing)]);
    let users = BTreeMap::from([("a".to_owned(), vec!["pod default/p".to_owned()])]);
    let kept = plan.considering(&users, POLICY, true).unwrap();
    assert_eq!((kept.steps[0].action, kept.steps[0].write), (Action::Kept, Write::Nothing));
    assert_eq!(kept.steps[0].used_by, ["pod default/p"]);
}

#[test]
fn the_state_of_the_newest_record_decides_what_becomes_of_it() {
    let a = class("a", "h", &[]);
    let revision = |status| {
        let case = Case::new(&[a.clone()], &[applied(&a)])
            .recorded(&[(4, Status::Superseded, &[]), (7, status, &[a.clone()])]);
        case.plan().unwrap().revision
    };
    assert!(matches!(revision(Status::Deployed), Revision::Same));
    for status in [Status::PendingInstall, Status::PendingUpgrade, Status::PendingRollback] {
        assert!(matches!(revision(status), Revision::Finish(_)), "{status}");
    }
    for status in [Status::Failed, Status::Superseded, Status::Unknown, Status::Uninstalling] {
        assert!(
            matches!(revision(status), Revision::New { revision: 8, status: Status::PendingUpgrade, .. }),
            "{status}"
        );
    }
    assert!(matches!(revision(Status::Uninstalled), Revision::New { revision: 8, status: Status::PendingInstall, .. }));
}

#[test]
fn labels_values_and_chart_are_worth_a_revision_too() {
    let a = class("a", "h", &[]);
    let case = Case::new(&[a.clone()], &[applied(&a)]).recorded(&[(1, Status::Deployed, &[a])]);
    let release = release();
    let observed = Observed { classes: &case.live, history: &case.history, others: &case.others };
    let is_new = |change: &dyn Fn(&mut Wish<'_>)| {
        let mut wish = wish(&release, &case.desired);
        change(&mut wish);
        matches!(install(&wish, observed, POLICY).unwrap().revision, Revision::New { .. })
    };
    assert!(!is_new(&|_| {}));
    assert!(is_new(&|wish| wish.config = json!({"a": 1})));
    assert!(is_new(&|wish| wish.chart["metadata"]["version"] = json!("9")));
    assert!(is_new(&|wish| {
        wish.labels.insert("a".to_owned(), "b".to_owned());
    }));
}

#[test]
fn an_uninstall_takes_what_is_ours_and_leaves_what_was_adopted() {
    let (a, b) = (class("a", "h", &[]), class("b", "h", &[]));
    let release = release();
    let mut record = history(&[(1, Status::Deployed, &[a.clone(), b.clone()])]).records.remove(0).record;
    record.set_adopted(&["b".to_owned()]);
    let history = History::read(Driver::Secret, vec![stored_object(&record)]);
    let live = [applied(&a), applied(&b), class("users-own", "h", &[])];
    let observed = Observed { classes: &live, history: &history, others: &Others::new() };
    let writes = |delete_adopted| {
        let steps = uninstall(&release, observed, delete_adopted).steps;
        steps.into_iter().map(|step| (step.name, step.write)).collect::<Vec<_>>()
    };
    assert_eq!(writes(false), [("a".to_owned(), Write::Delete), ("b".to_owned(), Write::Disown)]);
    assert_eq!(writes(true), [("a".to_owned(), Write::Delete), ("b".to_owned(), Write::Delete)]);
}

/// The cluster after a plan was carried out, as the API server would have it.
fn carry_out(case: &Case, plan: &Plan) -> Case {
    let mut live: BTreeMap<String, RuntimeClass> =
        case.live.iter().map(|class| (class.metadata.name.clone().unwrap(), class.clone())).collect();
    for step in &plan.steps {
        match (step.write, &step.desired) {
            (Write::Nothing, _) => {}
            (Write::Delete, _) => drop(live.remove(&step.name)),
            (Write::Replace, Some(desired)) => drop(live.insert(step.name.clone(), applied(desired))),
            (Write::Apply, Some(desired)) => {
                let mut now = live.remove(&step.name).unwrap_or_default();
                let entries = fields::migrated(&now).or(now.metadata.managed_fields.take()).unwrap_or_default();
                let (ours, others): (Vec<_>, Vec<_>) =
                    entries.into_iter().partition(|entry| entry.manager.as_deref() == Some("helm"));
                let mut dropped = RuntimeClass::default();
                dropped.metadata.managed_fields = Some(ours);
                let wanted = fields::leaves(&applied(desired));
                let gone: Vec<String> = fields::differences(desired, &dropped)
                    .into_iter()
                    .map(|field| field.path)
                    .filter(|path| !wanted.contains_key(path))
                    .collect();
                now.metadata.name = Some(step.name.clone());
                for (map, prefix) in [
                    (&mut now.metadata.labels, "metadata.labels."),
                    (&mut now.metadata.annotations, "metadata.annotations."),
                ] {
                    map.get_or_insert_default().retain(|key, _| !gone.contains(&format!("{prefix}{key}")));
                }
                let labels = desired.metadata.labels.clone().unwrap_or_default();
                now.metadata.labels.get_or_insert_default().extend(labels);
                let annotations = desired.metadata.annotations.clone().unwrap_or_default();
                now.metadata.annotations.get_or_insert_default().extend(annotations);
                now.handler.clone_from(&desired.handler);
                let entry = applied(desired).metadata.managed_fields.unwrap().pop().unwrap();
                now.metadata.managed_fields = Some(others.into_iter().chain([entry]).collect());
                live.insert(step.name.clone(), now);
            }
            (write, desired) => panic!("{write:?} {desired:?}"),
        }
    }
    let mut records: Vec<Record> = case.history.records.iter().map(|stored| stored.record.clone()).collect();
    match &plan.revision {
        Revision::Same => {}
        Revision::Blocked(damaged) => panic!("{damaged:?}"),
        Revision::Finish(stored) => {
            for record in &mut records {
                let newest = record.revision() == stored.record.revision();
                record.set_status(if newest { Status::Deployed } else { Status::Superseded }, None);
            }
        }
        Revision::New { revision, status, content } => {
            for record in &mut records {
                record.set_status(Status::Superseded, None);
            }
            let times = Times { first_deployed: String::new(), now: String::new() };
            let mut record = Record::pending(&release(), *revision, *status, content, &times, "");
            record.set_adopted(&plan.adopted);
            record.set_status(Status::Deployed, None);
            records.push(record);
        }
    }
    Case {
        desired: case.desired.clone(),
        live: live.into_values().collect(),
        history: History::read(Driver::Secret, records.iter().map(stored_object).collect()),
        others: case.others.clone(),
        policy: case.policy,
    }
}

fn some_class(name: &'static str) -> impl Strategy<Value = RuntimeClass> {
    let labels = prop::sample::subsequence(vec![("x", "1"), ("x2", "2"), ("x3", "3")], 0..=3);
    (prop::sample::select(vec!["h1", "h2"]), labels).prop_map(move |(handler, labels)| class(name, handler, &labels))
}

fn some_classes() -> impl Strategy<Value = Vec<RuntimeClass>> {
    let each = ["a", "b", "c", "d"].map(|name| prop::option::of(some_class(name)));
    each.prop_map(|classes| classes.into_iter().flatten().collect())
}

/// A class in any state that it can be found in.
fn some_live_classes() -> impl Strategy<Value = Vec<RuntimeClass>> {
    (some_classes(), prop::collection::vec(0..7_u8, 4)).prop_map(|(classes, states)| {
        let state = |(class, state): (RuntimeClass, &u8)| match state {
            0 => class,
            1 => owned_by_manager(class, "kubectl", "Update"),
            2 => of_release(class, "other"),
            3 => applied(&class),
            4 => owned_by_manager(applied(&class), "kubectl", "Update"),
            5 => {
                let mut class = applied(&class);
                class.metadata.managed_fields = None;
                owned_by_manager(class, "helm", "Update")
            }
            _ => {
                let mut class = applied(&class);
                class.metadata.labels = None;
                class.metadata.annotations = None;
                class
            }
        };
        classes.into_iter().zip(&states).map(state).collect()
    })
}

fn some_history() -> impl Strategy<Value = History> {
    let status = prop::sample::select(vec![
        Status::Deployed,
        Status::Failed,
        Status::Superseded,
        Status::PendingUpgrade,
        Status::PendingInstall,
        Status::Uninstalled,
        Status::Unknown,
    ]);
    prop::collection::vec((1..3_u32, status, some_classes()), 0..3).prop_map(|revisions| {
        let mut number = 0;
        let numbered: Vec<(u32, Status, Vec<RuntimeClass>)> = revisions
            .into_iter()
            .map(|(gap, status, classes)| {
                number += gap;
                (number, status, classes)
            })
            .collect();
        let borrowed: Vec<_> =
            numbered.iter().map(|(number, status, classes)| (*number, *status, classes.as_slice())).collect();
        history(&borrowed)
    })
}

fn some_case() -> impl Strategy<Value = Case> {
    let existing = prop::sample::select(vec![Existing::Fail, Existing::Adopt, Existing::Skip]);
    let owns = prop::collection::btree_set(prop::sample::select(vec!["a".to_owned(), "b".to_owned()]), 0..2);
    (some_classes(), some_live_classes(), some_history(), existing, any::<bool>(), owns).prop_map(
        |(classes, live, history, existing, recreate, owns)| Case {
            desired: desired(&classes),
            live,
            history,
            others: Others::from([(("kube-system".to_owned(), "other".to_owned()), owns)]),
            policy: Policy { existing, recreate, force_in_use: false, stub_over_real: false },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(case in some_case()) {
        if let Ok(plan) = case.plan() {
            let after = carry_out(&case, &plan);
            let again = after.plan().unwrap();
            prop_assert!(!again.changes_anything(), "{:#?}\nthen\n{:#?}", plan, again);
        }
    }

    #[test]
    fn a_class_that_is_neither_defined_nor_owned_nor_recorded_never_appears(case in some_case()) {
        if let Ok(plan) = case.plan() {
            let recorded: BTreeSet<String> = case.history.records.iter()
                .flat_map(|stored| stored.record.classes().unwrap())
                .map(|class| class.metadata.name.clone().unwrap())
                .collect();
            for step in &plan.steps {
                let defined = case.desired.iter().any(|desired| desired.name() == step.name);
                let owned = step.live.as_ref().is_some_and(|live| ownership::is_owned(&live.metadata, &release()));
                prop_assert!(defined || owned || recorded.contains(&step.name), "{}", step.name);
            }
        }
    }

    #[test]
    fn a_foreign_class_is_never_written_without_leave(case in some_case()) {
        if let Ok(plan) = case.plan() {
            for step in plan.steps.iter().filter(|step| step.was_foreign && step.write != Write::Nothing) {
                prop_assert_eq!(case.policy.existing, Existing::Adopt, "{}", &step.name);
            }
        }
    }

    #[test]
    fn the_order_of_input_does_not_matter(case in some_case()) {
        let summary = |case: &Case| case.plan().map(|plan| {
            plan.steps.into_iter().map(|step| (step.name, step.action, step.write)).collect::<Vec<_>>()
        });
        let turned = Case {
            desired: case.desired.iter().rev().cloned().collect(),
            live: case.live.iter().rev().cloned().collect(),
            history: case.history.clone(),
            others: case.others.clone(),
            policy: case.policy,
        };
        match (summary(&case), summary(&turned)) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one, other),
            (one, other) => prop_assert_eq!(one.is_err(), other.is_err()),
        }
    }
}
