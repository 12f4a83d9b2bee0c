export { HappyAccount } from './account.ts';
export type { AccountOptions, SyncUse } from './account.ts';
export { HappyClient } from './client.ts';
export type { HappyClientOptions, HappyDecision, HappyMachine, HappyMessage, HappySendOptions, HappySession, RunTaskOptions } from './client.ts';
export { happyConnection } from './connection.ts';
export type { HappyConnection, HappyConnectionOptions } from './connection.ts';
export { Credentials, credentialsFromEnv, credentialsFromFile, credentialsFromHome, explicitCredentials, HAPPY_SERVER, happyHomeOf } from './credentials.ts';
export type { CredentialParts, CredentialPlaces, CredentialSource } from './credentials.ts';
export {
  AuthenticationError, ConnectionError, EncryptionError, HappyError, MachineOfflineError, MetadataConflictError, MetadataUpdateError, SessionNotFound, SpawnError, TimeoutError,
} from './errors.ts';
export { RpcRefused, SessionUnreachable } from './rpc.ts';
export { login, tokenFor } from './login.ts';
export type { LinkCode, LoginOptions } from './login.ts';
export type { MirrorChange, MirroredMachine, MirroredSession, Readable } from './mirrored.ts';
export type { Attention, SocketState } from './socket.ts';
export type { SpawnRequest } from './spawn.ts';
export type { SyncedMessage } from './sync.ts';
