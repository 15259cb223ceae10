"""How the three programs are started, as values; all run in the control plane's folder, hence the relative paths."""

from pathlib import Path

LOOPBACK = "127.0.0.1"

AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "resources": [{"group": "coordination.k8s.io"}]},
        {"level": "Metadata"},
    ],
}


def etcd(client_port: int, peer_port: int) -> list[str]:
    client, peer = f"http://{LOOPBACK}:{client_port}", f"http://{LOOPBACK}:{peer_port}"
    return [
        "--data-dir=etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # the data is thrown away at the end in any case
        "--log-level=warn",
    ]


def server(etcd_port: int, port: int) -> list[str]:
    return [
        f"--etcd-servers=http://{LOOPBACK}:{etcd_port}",
        f"--secure-port={port}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        "--tls-cert-file=serving.pem",
        "--tls-private-key-file=serving.pem",
        "--client-ca-file=client-ca.crt",
        "--service-account-key-file=tokens.pub",
        "--service-account-signing-key-file=tokens.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        "--audit-policy-file=audit.yaml",
        "--audit-log-path=audit.log",
        # For an aggregated API server, which trusts our front proxy to say who asks.
        "--requestheader-client-ca-file=front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--proxy-client-cert-file=front-proxy.pem",
        "--proxy-client-key-file=front-proxy.pem",
    ]


def controller(kubeconfig: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        "--service-account-private-key-file=tokens.key",
        "--root-ca-file=serving-ca.crt",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        f"--bind-address={LOOPBACK}",
        "--secure-port=0",  # nobody asks it anything
        # The defaults, 20 and 30, make hundreds of namespaces wait for their ServiceAccounts and their deletion.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]
