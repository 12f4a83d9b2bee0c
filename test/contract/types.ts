import type { SessionBackend, SpawnOptions } from '../../src/core/model/backend.ts';
import type { Question } from '../../src/core/model/entry.ts';

/** A prompt, and what the agent's answer to it must look like. */
export interface Task {
  readonly prompt: string;
  readonly answer: RegExp;
}
/** How to make the agent behind a backend do things. */
export interface Script {
  /** A short answer, streamed in several pieces. */
  say(): Task;
  /** An answer that streams for at least four seconds; `answer` fits its beginning. */
  slow(): Task;
  /** The agent asks leave for a command, runs it when it may, then says something. */
  run(command: string): Task;
  /** The agent replaces `before` by `after` in a file of the folder; it may ask first. */
  edit(file: string, before: string, after: string): Task;
  /** The agent asks a question in turn; null where it has none. */
  readonly ask: { readonly prompt: string; answers(questions: readonly Question[]): Readonly<Record<string, readonly string[]>>; readonly answer: RegExp } | null;
  /** Two prompts, the second of which can only be answered by remembering the first. */
  remember(): { readonly first: Task; readonly second: Task };
}
/** A backend with its agents, in a world of its own. */
export interface Rig {
  readonly backend: SessionBackend;
  /** The machine that sessions are made on. */
  readonly machineId: string;
  /** Folder that sessions work in. It holds `notes.txt` with the lines one, two, three. */
  readonly folder: string;
  readonly script: Script;
  /** What sessions are made with beside their machine and folder: the agent, where a machine has several. */
  readonly spawning?: Partial<SpawnOptions>;
  /** The agents' processes, where they can be seen from here. */
  readonly processes: { alive(): Promise<readonly number[]>; gone(pid: number): Promise<boolean>; kill(): Promise<void> } | null;
  /** The backend of a window that was closed and opened again: the first is disposed. */
  restart(): Promise<SessionBackend>;
  /** The backend of a second window beside the first. */
  second(): Promise<SessionBackend>;
  dispose(): Promise<void>;
  /** What was logged, for a failure. */
  log(): string;
}
export interface ContractTraits {
  /** `system`: the system's record has the same ids as the live wire; `ours`: it is replayed without them, where there are no rows. */
  readonly record: 'system' | 'ours';
  /** True where the system keeps a session as files that can be named. */
  readonly namesFiles: boolean;
  /** True where agents ask questions; `Script.ask` is there then. */
  readonly questions: boolean;
  /** True where a session has more than one mode. */
  readonly modes: boolean;
  /** True where the agents' processes can be seen and killed from here; `Rig.processes` is there then. */
  readonly processes: boolean;
  /** True where the agent of each session is a process of its own, or the backend's is ended with its last session. */
  readonly ownProcess: boolean;
  /** `agent`: only what depends on the agent, for a system whose contract another agent keeps whole. */
  readonly part?: 'agent';
  /** Present for sessions that a server hosts, each with what it does otherwise than an agent that this computer runs. Absent: the agents are processes of the backend. */
  readonly hosted?: HostedTraits;
}
/** What is otherwise where a server stands between the backend and the agents. */
export interface HostedTraits {
  /** `whole`: an answer comes at once, when it is finished; what is broken off is lost. */
  readonly answers: 'pieces' | 'whole';
  /** `hints`: a turn may have no end of its own, and its last text may come behind one; that the session is idle tells. */
  readonly turns: 'exact' | 'hints';
  /** `fetched`: the output of a tool is read from the machine when the person asks. */
  readonly outputs: 'carried' | 'fetched';
  /** `every`: each window may act on each session; nobody's is locked. `turn`: each may, while no other one has a turn of it running. */
  readonly windows: 'owner' | 'every' | 'turn';
  /** `silent`: nobody is told that an agent was killed; what is sent next brings it back. */
  readonly deaths: 'told' | 'silent';
  /** `said`: a notice tells that the agent was interrupted, and its turn may have no end; `ends`: the end of its turn does. */
  readonly interrupts: 'said' | 'ends';
  /** `stay`: what an agent ran may outlive its interrupt. */
  readonly commands: 'end' | 'stay';
  /** `told`: agents act without asking, and of what they do comes what their server tells: no permissions, no diffs. Absent: as an agent's own wire tells it. */
  readonly tools?: 'told';
}
