//! Which programs there are, and how each is built.

/// A program that the test bed builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The store of the control plane.
    Etcd,
    /// Kubernetes' API server.
    KubeApiServer,
    /// Helm 3, which must be able to take over what was installed.
    Helm3,
    /// Helm 4, likewise.
    Helm4,
}

/// Programs whose versions belong together: one Go module, one set of build flags.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The folder below `xtask/go`, and the name in the cache.
    pub(super) name: &'static str,
    /// For people.
    pub(super) version: &'static str,
    /// The linker's flags, which carry the version that the program tells.
    pub(super) ldflags: &'static str,
}

const ETCD: Group = Group { name: "etcd", version: "v3.7.0", ldflags: "-s -w" };

const KUBERNETES: Group = Group {
    name: "kubernetes-1.37",
    version: "v1.37.2",
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 \
              -X k8s.io/component-base/version.gitMinor=37",
};

const HELM3: Group =
    Group { name: "helm3", version: "v3.22.0", ldflags: "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0" };

const HELM4: Group =
    Group { name: "helm4", version: "v4.3.1", ldflags: "-s -w -X helm.sh/helm/v4/internal/version.version=v4.3.1" };

impl Program {
    /// Every program, in the order in which `cargo xtask assets` builds them.
    pub const ALL: [Self; 4] = [Self::Etcd, Self::KubeApiServer, Self::Helm3, Self::Helm4];

    /// The file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The version, as in `v1.37.2`.
    #[must_use]
    pub const fn version(self) -> &'static str {
        self.row().1.version
    }

    pub(super) const fn group(self) -> &'static Group {
        self.row().1
    }

    /// The Go package of its main function.
    pub(super) const fn package(self) -> &'static str {
        self.row().2
    }

    /// About how long a first build takes on two cores.
    pub(super) const fn first_build(self) -> &'static str {
        self.row().3
    }

    const fn row(self) -> (&'static str, &'static Group, &'static str, &'static str) {
        match self {
            Self::Etcd => ("etcd", &ETCD, "go.etcd.io/etcd/server/v3", "half a minute"),
            Self::KubeApiServer => ("kube-apiserver", &KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver", "3 minutes"),
            Self::Helm3 => ("helm3", &HELM3, "helm.sh/helm/v3/cmd/helm", "1 to 2 minutes"),
            Self::Helm4 => ("helm4", &HELM4, "helm.sh/helm/v4/cmd/helm", "1 to 2 minutes"),
        }
    }
}
