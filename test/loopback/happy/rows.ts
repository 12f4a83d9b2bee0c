/** The rows that the server keeps. Times are milliseconds since the epoch; whatever is encrypted is base64 text, as it came. */
export interface AccountRow {
  readonly id: string;
  /** The Ed25519 public key, hex. */
  readonly publicKey: string;
  /** The counter that every update of the account takes one from. */
  seq: number;
  settings: string | null;
  settingsVersion: number;
  readonly createdAt: number;
}

export interface SessionRow {
  readonly id: string;
  readonly accountId: string;
  readonly tag: string;
  /** The highest seq given to a message. */
  seq: number;
  metadata: string;
  metadataVersion: number;
  agentState: string | null;
  agentStateVersion: number;
  readonly dataEncryptionKey: string | null;
  active: boolean;
  activeAt: number;
  readonly createdAt: number;
  updatedAt: number;
}

export interface MessageRow {
  readonly id: string;
  readonly sessionId: string;
  readonly seq: number;
  readonly localId: string | null;
  /** The ciphertext. */
  readonly content: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface MachineRow {
  readonly id: string;
  readonly accountId: string;
  metadata: string;
  metadataVersion: number;
  daemonState: string | null;
  daemonStateVersion: number;
  readonly dataEncryptionKey: string | null;
  readonly seq: number;
  active: boolean;
  activeAt: number;
  readonly createdAt: number;
  updatedAt: number;
}

export interface ArtifactRow {
  readonly id: string;
  readonly accountId: string;
  header: string;
  headerVersion: number;
  body: string;
  bodyVersion: number;
  readonly dataEncryptionKey: string;
  seq: number;
  readonly createdAt: number;
  updatedAt: number;
}

export interface LinkRow {
  readonly id: string;
  /** `terminal`: a machine's own key file; `account`: the whole account. */
  readonly kind: 'terminal' | 'account';
  /** The X25519 public key of who asks, hex. */
  readonly publicKey: string;
  readonly supportsV2: boolean;
  response: string | null;
  responseAccountId: string | null;
}

export interface AccessKeyRow {
  readonly accountId: string;
  readonly machineId: string;
  readonly sessionId: string;
  data: string;
  dataVersion: number;
  readonly createdAt: number;
  updatedAt: number;
}

export interface KvRow {
  readonly accountId: string;
  readonly key: string;
  /** null: deleted; the version goes on. */
  value: string | null;
  version: number;
}

export interface PushTokenRow {
  readonly id: string;
  readonly accountId: string;
  readonly token: string;
  readonly createdAt: number;
  updatedAt: number;
}

export interface UsageRow {
  readonly id: string;
  readonly accountId: string;
  readonly sessionId: string | null;
  readonly key: string;
  tokens: Readonly<Record<string, number>>;
  cost: Readonly<Record<string, number>>;
  readonly createdAt: number;
  updatedAt: number;
}

export interface BlobRow {
  /** `sessions/<id>/attachments/<uuid>.enc` */
  readonly ref: string;
  readonly bytes: Uint8Array;
}

/** All rows, as a test or a file sees them. */
export interface Rows {
  readonly accounts: readonly Readonly<AccountRow>[];
  readonly sessions: readonly Readonly<SessionRow>[];
  readonly messages: readonly Readonly<MessageRow>[];
  readonly machines: readonly Readonly<MachineRow>[];
  readonly artifacts: readonly Readonly<ArtifactRow>[];
  readonly links: readonly Readonly<LinkRow>[];
  readonly accessKeys: readonly Readonly<AccessKeyRow>[];
  readonly kv: readonly Readonly<KvRow>[];
  readonly pushTokens: readonly Readonly<PushTokenRow>[];
  readonly usage: readonly Readonly<UsageRow>[];
  readonly blobs: readonly Readonly<BlobRow>[];
}
