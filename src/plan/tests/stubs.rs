//! A stub never takes the place of a class that is none, and any class may take the place of a stub.

use super::*;
use crate::values::STUB_LABEL;

const STUB: &[(&str, &str)] = &[(STUB_LABEL, "true")];

#[test]
fn a_stub_never_replaces_a_class_that_is_none() {
    let (stub, real, same) = (class("a", "runc", STUB), class("a", "nvidia", &[]), class("a", "runc", &[]));
    let other_label = class("a", "nvidia", &[(STUB_LABEL, "false")]);
    let of_controller = {
        let mut class = real.clone();
        let owner = OwnerReference { controller: Some(true), kind: "Shim".to_owned(), ..OwnerReference::default() };
        class.metadata.owner_references = Some(vec![owner]);
        class
    };
    // Live, the choice for classes of others, and whether it is refused.
    for (live, existing, is_refused) in [
        (applied(&real), Existing::Fail, true),
        (applied(&same), Existing::Fail, true),
        (applied(&real), Existing::Skip, true),
        (applied(&other_label), Existing::Fail, true),
        (real.clone(), Existing::Fail, true),
        (real.clone(), Existing::Adopt, true),
        (real.clone(), Existing::Skip, false),
        (of_controller, Existing::Adopt, false),
        (applied(&stub), Existing::Fail, false),
        (applied(&class("a", "crun", STUB)), Existing::Fail, false),
        (stub.clone(), Existing::Adopt, false),
    ] {
        let mut case = Case::new(&[stub.clone()], &[live.clone()]);
        case.policy.existing = existing;
        match case.plan() {
            Err(Refusal::NotAStub { classes }) => {
                assert!(is_refused, "{live:?} {existing:?}");
                assert_eq!(classes, [("a".to_owned(), live.handler)]);
            }
            Err(other) => panic!("{other}"),
            Ok(_) => assert!(!is_refused, "{live:?} {existing:?}"),
        }
    }
}

#[test]
fn the_refusal_says_what_to_do() {
    let refusal = Case::new(&[class("a", "runc", STUB)], &[applied(&class("a", "nvidia", &[]))]).plan().unwrap_err();
    let text = refusal.to_string();
    for part in [
        "1 class is no stub",
        "\n  a: handler nvidia, without the label runtimeclass-installer/stub=true",
        "leave it out",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_stub_that_lost_its_label_is_repaired() {
    let stub = class("a", "runc", STUB);
    let bare = class("a", "runc", &[]);
    Case::new(&[stub.clone()], &[bare.clone()]).recorded(&[(1, Status::Deployed, &[stub.clone()])]).gives(&[(
        "a",
        Action::Repaired,
        Write::Apply,
    )]);
    // Somebody made a real class of it.
    let real = class("a", "nvidia", &[]);
    let case = Case::new(&[stub.clone()], &[real]).recorded(&[(1, Status::Deployed, &[stub.clone()])]);
    assert!(matches!(case.plan(), Err(Refusal::NotAStub { .. })));
    // And of another's class nothing is known.
    let mut case = Case::new(&[stub], &[bare]);
    case.policy.existing = Existing::Adopt;
    assert!(matches!(case.plan(), Err(Refusal::NotAStub { .. })));
}

#[test]
fn a_real_class_replaces_a_stub_as_any_change_of_the_handler() {
    let (stub, real) = (class("a", "runc", STUB), class("a", "nvidia", &[]));
    let mut case = Case::new(&[real], &[applied(&stub)]).recorded(&[(1, Status::Deployed, &[stub])]);
    case.gives(&[("a", Action::Recreated, Write::Replace)]);
    case.policy.recreate = false;
    assert!(matches!(case.plan(), Err(Refusal::HandlerChange { .. })));
}
