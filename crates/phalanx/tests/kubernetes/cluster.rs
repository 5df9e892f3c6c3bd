//! An API server of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Whoever shows it may do everything.
const TOKEN: &str = "of-the-tests";

/// A server with nothing in it but what it makes itself. It ends, with all it has stored, when it is dropped.
pub(crate) struct Cluster {
    assets: PathBuf,
    folder: PathBuf,
    server: String,
    /// The server, then what it stores in.
    children: Vec<Child>,
}

/// What a program of the cluster said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Cluster {
    /// Starts one; `None`, loudly, when the programs are not there.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Some(assets) = assets().filter(|assets| assets.join("kube-apiserver").is_file()) else {
            let why =
                "KUBEBUILDER_ASSETS names no folder with etcd, kube-apiserver and kubectl (cargo xtask apiserver)";
            // Past the test runner, which keeps what a passing test prints to itself.
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
            return None;
        };
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a scratch folder");
        let [clients, peers, port] = [(); 3].map(|()| free_port());
        let mut cluster = Self { assets, folder, server: format!("https://127.0.0.1:{port}"), children: Vec::new() };
        let store = format!("http://127.0.0.1:{clients}");
        cluster.begin_etcd(&store, &format!("http://127.0.0.1:{peers}"));
        cluster.begin_server(&store, port);
        while !cluster.kubectl(&["get", "--raw", "/readyz"]).success {
            assert!(cluster.children.iter_mut().all(|child| child.try_wait().is_ok_and(|ended| ended.is_none())));
        }
        Some(cluster)
    }

    fn begin_etcd(&mut self, clients: &str, peers: &str) {
        let data = self.folder.join("etcd");
        let name = format!("n0={peers}");
        let arguments = ["--name", "n0", "--unsafe-no-fsync", "--log-level", "warn", "--initial-cluster", &name];
        let addresses = [
            ["--listen-client-urls", clients],
            ["--advertise-client-urls", clients],
            ["--listen-peer-urls", peers],
            ["--initial-advertise-peer-urls", peers],
        ];
        let mut etcd = Command::new(self.assets.join("etcd"));
        etcd.args(arguments).args(addresses.concat()).arg("--data-dir").arg(data);
        self.children.insert(0, etcd.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("etcd runs"));
    }

    /// Starts the server and waits until it listens.
    fn begin_server(&mut self, store: &str, port: u16) {
        let [key, public, tokens, certificates] =
            ["sa.key", "sa.pub", "tokens.csv", "certificates"].map(|name| self.folder.join(name));
        openssl(&["genrsa", "-out"], &key);
        openssl(&["rsa", "-in", &key.display().to_string(), "-pubout", "-out"], &public);
        std::fs::write(&tokens, format!("{TOKEN},admin,admin,\"system:masters\"\n")).expect("a file");
        let mut server = Command::new(self.assets.join("kube-apiserver"));
        server
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--authorization-mode=RBAC"])
            .args(["--service-cluster-ip-range=10.96.0.0/24", "--disable-admission-plugins=ServiceAccount"])
            .args(["--service-account-issuer=https://kubernetes.default.svc", "--max-requests-inflight=0"])
            .args([format!("--etcd-servers={store}"), format!("--secure-port={port}")])
            .args(flag("--cert-dir", &certificates))
            .args(flag("--service-account-key-file", &public))
            .args(flag("--service-account-signing-key-file", &key))
            .args(flag("--token-auth-file", &tokens));
        let mut server = server.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("kube-apiserver runs");
        let mut lines = BufReader::new(server.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let serves = lines.by_ref().any(|line| {
            let serves = line.contains("Serving securely");
            said.push(line);
            serves
        });
        // What nobody reads would stop it once the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        self.children.insert(0, server);
        assert!(serves, "kube-apiserver ended:\n{}", said.join("\n"));
    }

    /// Runs kubectl to its end.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Said {
        self.kubectl_with(arguments, "")
    }

    /// Runs kubectl to its end, with something to read.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut kubectl = Command::new(self.assets.join("kubectl"));
        kubectl.args(["--server", &self.server, "--token", TOKEN, "--insecure-skip-tls-verify"]).args(arguments);
        // What it learned of one server is not true of the next.
        kubectl.arg("--cache-dir").arg(self.folder.join("kubectl")).env("KUBECONFIG", "/dev/null");
        let pipes = kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("kubectl runs");
        // One that does not read ends all the same.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        Said::from(child.wait_with_output().expect("it ends"))
    }

    /// Applies manifests as `kubectl apply -f -` does.
    pub(crate) fn apply(&self, manifests: &str) -> Said {
        self.kubectl_with(&["apply", "-f", "-"], manifests)
    }

    /// Applies what must be accepted.
    pub(crate) fn must_apply(&self, manifests: &str) {
        let said = self.apply(manifests);
        assert!(said.success, "{}{}", said.out, said.err);
    }

    /// An object as the server has it.
    pub(crate) fn get(&self, kind: &str, name: &str) -> serde_json::Value {
        let said = self.kubectl(&["get", kind, name, "-o", "json"]);
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{kind} {name}: {error}: {}", said.err))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { success: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn assets() -> Option<PathBuf> {
    std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from)
}

/// A port that nobody listens at just now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port()
}

fn openssl(arguments: &[&str], to: &Path) {
    let said = Command::new("openssl").args(arguments).arg(to).output().expect("openssl runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

fn flag(name: &str, path: &Path) -> [String; 1] {
    [format!("{name}={}", path.display())]
}
