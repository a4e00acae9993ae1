//! The names that cross the border to Kubernetes: checked once when they come in, trusted afterwards.
//!
//! The rules are the API server's own (`k8s.io/apimachinery/pkg/util/validation`), so that a name it would refuse is
//! refused here, before anything is written.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The field manager that writes classes. It is Helm's, so that a later Helm 4 upgrade meets no conflict.
pub const FIELD_MANAGER: &str = "helm";

/// Label by which Helm knows what it manages, and its only value.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`] on everything that a Helm release owns.
pub const MANAGED_BY_HELM: &str = "Helm";
/// Annotation with the name of the release that owns the object.
pub const RELEASE_NAME_ANNOTATION: &str = "meta.helm.sh/release-name";
/// Annotation with the namespace of the release that owns the object.
pub const RELEASE_NAMESPACE_ANNOTATION: &str = "meta.helm.sh/release-namespace";

/// A name that Kubernetes would refuse, with the rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} is not valid: {rule}")]
pub struct InvalidName {
    what: &'static str,
    given: String,
    rule: String,
}

const LABEL_RULE: &str =
    "it must be 1 to 63 lower-case letters, digits or '-', and start and end with a letter or digit (RFC 1123 label)";
const SUBDOMAIN_RULE: &str = "it must be lower-case letters, digits, '-' or '.', at most 253, and each part between dots must start and end with a letter or digit (RFC 1123 subdomain)";
const RELEASE_RULE: &str = "it must be a DNS name of at most 53 characters, as Helm requires";

fn is_dns_label(text: &str, longest: usize) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(&first), Some(&last)) if alphanumeric(first) && alphanumeric(last))
        && bytes.len() <= longest
        && bytes.iter().all(|&byte| alphanumeric(byte) || byte == b'-')
}

fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| is_dns_label(part, 253))
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $valid:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidName { what: $what, given: text.to_owned(), rule: $rule.to_owned() })
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::ops::Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// Name of a RuntimeClass: a DNS subdomain.
    ClassName, "the class name", is_dns_subdomain, SUBDOMAIN_RULE
}
name! {
    /// A handler as the container runtime's configuration names it: a DNS label. Immutable once a class has it.
    Handler, "the handler", |text| is_dns_label(text, 63), LABEL_RULE
}
name! {
    /// A namespace: a DNS label.
    Namespace, "the namespace", |text| is_dns_label(text, 63), LABEL_RULE
}
name! {
    /// Name of a Helm release: a DNS subdomain of at most 53 characters.
    ReleaseName, "the release name", |text| text.len() <= 53 && is_dns_subdomain(text), RELEASE_RULE
}

/// The release that owns the classes: where Helm keeps its records, and what its marks on the classes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Name, `runtimeclasses` unless told otherwise.
    pub name: ReleaseName,
    /// Namespace of the records, `kube-system` unless told otherwise.
    pub namespace: Namespace,
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

fn is_qualified_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && bytes.len() <= 63
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// Checks the key of a label, annotation or node selector: an optional DNS prefix and `/`, then at most 63 characters.
///
/// # Errors
///
/// [`InvalidName`] where Kubernetes would refuse the key.
pub fn check_qualified_name(key: &str) -> Result<(), InvalidName> {
    let valid = match key.split_once('/') {
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_qualified_part(name),
        None => is_qualified_part(key),
    };
    valid.then_some(()).ok_or_else(|| InvalidName {
        what: "the key",
        given: key.to_owned(),
        rule: "it must be letters, digits, '-', '_' or '.', at most 63, with an optional DNS name and '/' before"
            .to_owned(),
    })
}

/// Checks the value of a label or node selector.
///
/// # Errors
///
/// [`InvalidName`] where Kubernetes would refuse the value.
pub fn check_label_value(value: &str) -> Result<(), InvalidName> {
    (value.is_empty() || is_qualified_part(value)).then_some(()).ok_or_else(|| InvalidName {
        what: "the label value",
        given: value.to_owned(),
        rule:
            "it must be empty, or at most 63 letters, digits, '-', '_' or '.' that start and end with a letter or digit"
                .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_a_dns_label() {
        for good in ["crun", "kata-qemu", "a", "0", &"a".repeat(63)] {
            assert!(good.parse::<Handler>().is_ok(), "{good}");
        }
        for bad in ["", "Crun", "-a", "a-", "a.b", "/usr/bin/crun", "a b", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<Handler>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_class_name_is_a_dns_subdomain() {
        for good in ["crun", "a.b-c.d", &"a".repeat(253)] {
            assert!(good.parse::<ClassName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a..b", "a.-b", "A", "a_b", &"a".repeat(254)] {
            assert!(bad.parse::<ClassName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_release_name_is_as_short_as_helm_wants_it() {
        assert!("a".repeat(53).parse::<ReleaseName>().is_ok());
        assert!("a".repeat(54).parse::<ReleaseName>().is_err());
    }

    #[test]
    fn a_key_may_have_a_dns_prefix_and_a_value_may_be_empty() {
        for good in ["a", "A_b.c-d", "example.com/a"] {
            assert!(check_qualified_name(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "Example.com/a", "-a", "a b"] {
            assert!(check_qualified_name(bad).is_err(), "{bad}");
        }
        assert!(check_label_value("").is_ok());
        assert!(check_label_value("a b").is_err());
    }
}
