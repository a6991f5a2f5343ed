// Every metric of the data plane: name, labels, unit and what it means. docs/proxy.md lists them; a test compares. The values of
// labels come from the configuration and from closed sets, never from callers.

export interface MetricEntry {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly name: string;
  readonly labels: readonly string[];
  /** UCUM. */
  readonly unit?: string;
  readonly description: string;
  /** Of a histogram: upper bounds, in the unit. */
  readonly buckets?: readonly number[];
}

/** Seconds: from a local call to a long stream. */
const DURATION_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60] as const;
/** Seconds: the proxy's own part. */
const ADDED_BUCKETS = [0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1] as const;

export const catalogue = {
  requests: {
    kind: "counter",
    name: "mesh_ca_proxy_requests_total",
    labels: ["listener", "protocol", "status"],
    description: "Requests that have ended, by protocol (1.0, 1.1, 2) and class of the status that the client saw.",
  },
  decisions: {
    kind: "counter",
    name: "mesh_ca_proxy_decisions_total",
    labels: ["listener", "effect", "reason", "policy"],
    description: "Decisions about requests and tcp connections, by the policy that decided.",
  },
  matches: {
    kind: "counter",
    name: "mesh_ca_proxy_policy_matches_total",
    labels: ["listener", "mode", "action", "policy"],
    description: "Policies that matched without deciding: audit, and dry runs by what they would have done.",
  },
  refused: {
    kind: "counter",
    name: "mesh_ca_proxy_refused_total",
    labels: ["listener", "code", "reason"],
    description: "Requests that the proxy answered itself, by code and rule.",
  },
  aborted: {
    kind: "counter",
    name: "mesh_ca_proxy_aborted_total",
    labels: ["listener", "by", "cause"],
    description: "Exchanges that ended before their time, by who ended them.",
  },
  connectionsEnded: {
    kind: "counter",
    name: "mesh_ca_proxy_connections_ended_total",
    labels: ["listener", "end"],
    description: "tcp connections that have ended, by how.",
  },
  bytes: {
    kind: "counter",
    name: "mesh_ca_proxy_bytes_total",
    labels: ["listener", "direction"],
    unit: "By",
    description: "Bodies of HTTP, and all bytes of tcp, as seen by the client's side.",
  },
  events: {
    kind: "counter",
    name: "mesh_ca_proxy_events_total",
    labels: ["listener", "event"],
    description: "What is counted and not logged each time: connections to targets, retries, dropped fields, limits.",
  },
  accepted: {
    kind: "counter",
    name: "mesh_ca_proxy_connections_accepted_total",
    labels: ["listener"],
    description: "Connections that were accepted.",
  },
  handshakesRefused: {
    kind: "counter",
    name: "mesh_ca_proxy_handshakes_refused_total",
    labels: ["listener", "code"],
    description: "Connections that were refused before they carried anything, by error code.",
  },
  logLinesLost: {
    kind: "counter",
    name: "mesh_ca_proxy_access_log_lost_total",
    labels: [],
    description: "Lines of the access log that were left out because nobody read the log fast enough.",
  },
  duration: {
    kind: "histogram",
    name: "mesh_ca_proxy_request_seconds",
    labels: ["listener"],
    unit: "s",
    description: "From a request's head to the end of its response.",
    buckets: DURATION_BUCKETS,
  },
  added: {
    kind: "histogram",
    name: "mesh_ca_proxy_added_seconds",
    labels: ["listener"],
    unit: "s",
    description: "What the proxy itself added to a request: from head read to head written, both ways.",
    buckets: ADDED_BUCKETS,
  },
  connections: {
    kind: "gauge",
    name: "mesh_ca_proxy_connections",
    labels: ["listener"],
    description: "Open connections from clients.",
  },
  handshakes: {
    kind: "gauge",
    name: "mesh_ca_proxy_handshakes",
    labels: ["listener"],
    description: "TLS handshakes in progress.",
  },
  exchanges: {
    kind: "gauge",
    name: "mesh_ca_proxy_requests_in_flight",
    labels: ["listener"],
    description: "Requests in progress.",
  },
  upstreamConnections: {
    kind: "gauge",
    name: "mesh_ca_proxy_upstream_connections",
    labels: ["listener"],
    description: "Open connections to targets.",
  },
} as const satisfies Readonly<Record<string, MetricEntry>>;

export type MetricName = keyof typeof catalogue;
