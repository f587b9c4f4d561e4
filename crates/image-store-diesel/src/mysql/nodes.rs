//! The hosts of a database, and which of them a new connection goes to.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mysql_async::{Conn, Error, Opts, prelude::Queryable};
use tokio::time::{Instant, timeout};

use crate::connections::Consistency;

/// After how long a host that failed is tried in its order again. Until then it comes last.
const FAILED: Duration = Duration::from_secs(10);

/// What is asked of a server, without a table: a node of Galera outside its cluster answers nothing else.
const VARIABLES: &str = "SHOW VARIABLES WHERE Variable_name IN \
     ('read_only', 'wsrep_on', 'group_replication_single_primary_mode')";
const STATUS: &str = "SHOW STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status')";

/// A cluster whose nodes apply what was committed on another one a moment later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cluster {
    Galera,
    /// Group Replication, where every member takes writes.
    MultiPrimary,
    /// Group Replication, where one member does.
    SinglePrimary,
}

/// What a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Node {
    cluster: Option<Cluster>,
    is_read_only: bool,
    /// A node of Galera outside its cluster refuses even reads.
    is_cut_off: bool,
}

type Rows = Vec<(String, String)>;

impl Node {
    async fn ask(connection: &mut Conn) -> Result<Self, Error> {
        let node = Self::of(&rows(connection, VARIABLES).await?);
        if node.cluster == Some(Cluster::Galera) {
            return Ok(node.with_status(&rows(connection, STATUS).await?));
        }
        Ok(node)
    }

    /// From the variables of a server.
    fn of(variables: &[(String, String)]) -> Self {
        let mut node = Self::default();
        for (name, value) in variables {
            let is_off = value.eq_ignore_ascii_case("OFF") || value == "0";
            match &**name {
                "wsrep_on" if !is_off => node.cluster = Some(Cluster::Galera),
                "group_replication_single_primary_mode" if is_off => {
                    node.cluster = Some(Cluster::MultiPrimary);
                }
                "group_replication_single_primary_mode" => {
                    node.cluster = Some(Cluster::SinglePrimary);
                }
                "read_only" => node.is_read_only = !is_off,
                _ => {}
            }
        }
        node
    }

    /// With what a node of Galera says of its state.
    fn with_status(mut self, status: &[(String, String)]) -> Self {
        self.is_cut_off = status.iter().any(|(name, value)| match &**name {
            "wsrep_ready" => !value.eq_ignore_ascii_case("ON"),
            "wsrep_cluster_status" => !value.eq_ignore_ascii_case("Primary"),
            _ => false,
        });
        self
    }

    fn is_writable(self) -> bool {
        !self.is_read_only && !self.is_cut_off
    }

    /// The statement after which reads of a session see everything that was committed on any node before;
    /// `None` where they do anyway, or are not asked to.
    pub(super) fn wait_for_others(self, consistency: Consistency) -> Option<&'static str> {
        match (self.cluster?, consistency) {
            (_, Consistency::Node) | (Cluster::SinglePrimary, Consistency::Auto) => None,
            (Cluster::Galera, _) => Some("SET SESSION wsrep_sync_wait = 1"),
            (Cluster::MultiPrimary | Cluster::SinglePrimary, _) => {
                Some("SET SESSION group_replication_consistency = 'BEFORE'")
            }
        }
    }
}

async fn rows(connection: &mut Conn, statement: &str) -> Result<Rows, Error> {
    match connection.query(statement).await {
        // A proxy need not understand the question.
        Err(Error::Server(_)) => Ok(Vec::new()),
        rows => rows,
    }
}

/// The hosts of a database, in the order in which they are preferred.
#[derive(Debug)]
pub(super) struct Nodes {
    hosts: Vec<Opts>,
    consistency: Consistency,
    /// How long the attempts to connect may take together.
    time: Duration,
    /// When each host failed last.
    failures: Mutex<Vec<Option<Instant>>>,
    is_cluster: AtomicBool,
}

impl Nodes {
    /// The hosts must not be empty.
    pub(super) fn new(hosts: Vec<Opts>, consistency: Consistency, time: Duration) -> Self {
        Self {
            failures: Mutex::new(vec![None; hosts.len()]),
            hosts,
            consistency,
            time,
            is_cluster: AtomicBool::new(false),
        }
    }

    /// Whether a connection was to a node that must wait for the others before it reads.
    pub(super) fn is_cluster(&self) -> bool {
        self.is_cluster.load(Ordering::Relaxed)
    }

    /// Connects to the first host that can be written to; if there is none, to the first that can be read.
    /// The sessions of `readers` wait for other nodes before each read, where that is asked for.
    ///
    /// # Errors
    /// That of the last host.
    pub(super) async fn connect(&self, readers: bool) -> Result<Conn, Error> {
        let each = self.time / u32::try_from(self.hosts.len()).unwrap_or(u32::MAX).max(1);
        let mut spare = None;
        let mut failure = None;
        for (index, host) in self.in_order() {
            let attempt = timeout(each, self.open(host, readers)).await;
            match attempt.unwrap_or_else(|_| Err(late())) {
                Ok((connection, node)) if node.is_writable() || self.hosts.len() == 1 => {
                    self.note(index, None);
                    return Ok(connection);
                }
                Ok((connection, node)) => {
                    self.note(index, Some(Instant::now()));
                    if !node.is_cut_off && spare.is_none() {
                        spare = Some(connection);
                    }
                }
                Err(error) => {
                    self.note(index, Some(Instant::now()));
                    failure = Some(error);
                }
            }
        }
        spare.ok_or_else(|| failure.unwrap_or_else(nothing_to_use))
    }

    async fn open(&self, host: &Opts, readers: bool) -> Result<(Conn, Node), Error> {
        let mut connection = Conn::new(host.clone()).await?;
        if self.hosts.len() == 1 && self.consistency == Consistency::Node {
            return Ok((connection, Node::default()));
        }
        let node = Node::ask(&mut connection).await?;
        if let Some(statement) = node.wait_for_others(self.consistency) {
            self.is_cluster.store(true, Ordering::Relaxed);
            if readers {
                connection.query_drop(statement).await?;
            }
        }
        Ok((connection, node))
    }

    /// Those that failed recently come last.
    fn in_order(&self) -> Vec<(usize, &Opts)> {
        let failures = self.failures();
        let failed = |index: usize| {
            let failure = failures.get(index).copied().flatten();
            failure.is_some_and(|at| at.elapsed() < FAILED)
        };
        let mut hosts: Vec<_> = self.hosts.iter().enumerate().collect();
        hosts.sort_by_key(|(index, _)| failed(*index));
        hosts
    }

    fn note(&self, index: usize, failure: Option<Instant>) {
        if let Some(noted) = self.failures().get_mut(index) {
            *noted = failure;
        }
    }

    fn failures(&self) -> MutexGuard<'_, Vec<Option<Instant>>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late() -> Error {
    std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        "the server did not answer in time",
    )
    .into()
}

fn nothing_to_use() -> Error {
    std::io::Error::other("no host is a node of its cluster").into()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn node(cluster: Cluster) -> Node {
        Node {
            cluster: Some(cluster),
            ..Node::default()
        }
    }

    const GALERA: Option<&str> = Some("SET SESSION wsrep_sync_wait = 1");
    const GROUP: Option<&str> = Some("SET SESSION group_replication_consistency = 'BEFORE'");

    #[rstest]
    #[case(Cluster::Galera, Consistency::Auto, GALERA)]
    #[case(Cluster::Galera, Consistency::Cluster, GALERA)]
    #[case(Cluster::Galera, Consistency::Node, None)]
    #[case(Cluster::MultiPrimary, Consistency::Auto, GROUP)]
    #[case(Cluster::MultiPrimary, Consistency::Node, None)]
    #[case(Cluster::SinglePrimary, Consistency::Auto, None)]
    #[case(Cluster::SinglePrimary, Consistency::Cluster, GROUP)]
    fn sessions_wait_where_it_is_asked_for(
        #[case] cluster: Cluster,
        #[case] consistency: Consistency,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(node(cluster).wait_for_others(consistency), expected);
        assert_eq!(Node::default().wait_for_others(consistency), None);
    }

    fn said(rows: &[(&str, &str)]) -> Rows {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        rows.iter().map(owned).collect()
    }

    #[rstest]
    #[case(&[("read_only", "OFF")], true)]
    #[case(&[("read_only", "0"), ("wsrep_on", "OFF")], true)]
    #[case(&[("read_only", "ON")], false)]
    #[case(&[("read_only", "NO_LOCK")], false)]
    #[case(&[], true)]
    fn a_server_that_is_read_only_takes_no_writes(
        #[case] variables: &[(&str, &str)],
        #[case] expected: bool,
    ) {
        assert_eq!(Node::of(&said(variables)).is_writable(), expected);
    }

    #[rstest]
    #[case("ON", "Primary", true)]
    #[case("OFF", "Primary", false)]
    #[case("ON", "non-Primary", false)]
    #[case("ON", "Disconnected", false)]
    fn a_node_outside_its_cluster_takes_no_writes(
        #[case] ready: &str,
        #[case] status: &str,
        #[case] expected: bool,
    ) {
        let node = Node::of(&said(&[("wsrep_on", "ON"), ("read_only", "OFF")]));
        assert_eq!(node.cluster, Some(Cluster::Galera));
        let status = said(&[("wsrep_ready", ready), ("wsrep_cluster_status", status)]);
        assert_eq!(node.with_status(&status).is_writable(), expected);
    }

    #[test]
    fn group_replication_has_one_primary_or_several() {
        let mode = |value| Node::of(&said(&[("group_replication_single_primary_mode", value)]));
        assert_eq!(mode("ON").cluster, Some(Cluster::SinglePrimary));
        assert_eq!(mode("OFF").cluster, Some(Cluster::MultiPrimary));
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_that_failed_come_last_for_a_while() {
        let nodes = Nodes::new(
            vec![Opts::default(); 3],
            Consistency::Auto,
            Duration::from_secs(3),
        );
        let order = || -> Vec<_> { nodes.in_order().iter().map(|(index, _)| *index).collect() };
        assert_eq!(order(), [0, 1, 2]);
        nodes.note(0, Some(Instant::now()));
        assert_eq!(order(), [1, 2, 0]);
        nodes.note(1, Some(Instant::now()));
        assert_eq!(order(), [2, 0, 1]);
        nodes.note(0, None);
        assert_eq!(order(), [0, 2, 1]);
        tokio::time::advance(FAILED).await;
        assert_eq!(order(), [0, 1, 2]);
    }
}
