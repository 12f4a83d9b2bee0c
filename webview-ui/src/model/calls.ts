/** Plain words for a tool whose name is not one. */
interface CallWords {
  readonly icon: string;
  /** It happens; it happened; what it would do. */
  readonly words: readonly [running: string, done: string, would: string];
  /** What it was done to; empty where the words say it all. */
  readonly subject: string;
  /** The call itself asks the person something: while it waits, that is what happens. */
  readonly asks: boolean;
}

type Words = readonly [icon: string, running: string, done: string, would: string];

const ask: Words = ['question', 'Asking you', 'Asked you', 'Ask you'];
const plan: Words = ['list-ordered', 'Proposing a plan', 'Proposed a plan', 'Propose a plan'];
const planning: Words = ['list-ordered', 'Starting to plan', 'Started to plan', 'Start to plan'];
const web: Words = ['globe', 'Searching the web for', 'Searched the web for', 'Search the web for'];
const output: Words = ['terminal', 'Reading what runs in the background', 'Read what runs in the background', 'Read what runs in the background'];
const end: Words = ['debug-stop', 'Ending what runs in the background', 'Ended what ran in the background', 'End what runs in the background'];
const name: Words = ['tag', 'Naming the session', 'Named the session', 'Name the session'];
const todos: Words = ['checklist', 'Looking at the to-do list', 'Looked at the to-do list', 'Look at the to-do list'];
const resources: Words = ['list-unordered', 'Listing resources', 'Listed resources', 'List resources'];
const agents: Words = ['hubot', 'Listing agents', 'Listed agents', 'List agents'];
const waiting: Words = ['hubot', 'Waiting for its agents', 'Waited for its agents', 'Wait for its agents'];
const telling: Words = ['hubot', 'Telling an agent:', 'Told an agent:', 'Tell an agent:'];
const ending: Words = ['hubot', 'Ending an agent', 'Ended an agent', 'End an agent'];

/** Without what it was done to: the words say it all, or the card below shows it. */
const alone: Readonly<Record<string, Words>> = {
  ExitPlanMode: plan, exit_plan_mode: plan, EnterPlanMode: planning, enter_plan_mode: planning, BashOutput: output, TaskOutput: output, AgentOutputTool: output, write_stdin: ['terminal', 'Typing into a command', 'Typed into a command', 'Type into a command'],
  KillShell: end, KillBash: end, TaskStop: end, TaskList: todos, TaskGet: todos, ListMcpResources: resources, ListMcpResourcesTool: resources, list_mcp_resources: resources, list_mcp_resource_templates: resources,
  mcp__happy__change_title: name, change_title: name, 'happy.change_title': name, happy__change_title: name,
  ListAgents: agents,
  CronList: ['calendar', 'Listing scheduled tasks', 'Listed scheduled tasks', 'List scheduled tasks'], CronDelete: ['calendar', 'Removing a scheduled task', 'Removed a scheduled task', 'Remove a scheduled task'],
  EnterWorktree: ['git-branch', 'Entering a worktree', 'Entered a worktree', 'Work in a worktree'], ExitWorktree: ['git-branch', 'Leaving a worktree', 'Left a worktree', 'Leave the worktree'],
  ReportFindings: ['output', 'Reporting what it found', 'Reported what it found', 'Report what it found'], StructuredOutput: ['output', 'Giving its answer', 'Gave its answer', 'Give its answer'],
};

/** With what it was done to behind. */
const about: Readonly<Record<string, Words>> = {
  AskUserQuestion: ask, request_user_input: ask, WebSearch: web, web_search: web, google_web_search: web, webSearch: web,
  WebFetch: ['globe', 'Fetching', 'Fetched', 'Fetch'], web_fetch: ['globe', 'Fetching', 'Fetched', 'Fetch'],
  Skill: ['book', 'Using the skill', 'Used the skill', 'Use the skill'], SlashCommand: ['terminal', 'Running the command', 'Ran the command', 'Run the command'],
  ToolSearch: ['search', 'Looking for tools:', 'Looked for tools:', 'Look for tools:'], Monitor: ['eye', 'Watching', 'Watched', 'Watch'],
  SendMessage: ['comment', 'Sending a message:', 'Sent a message:', 'Send a message:'],
  CronCreate: ['calendar', 'Scheduling', 'Scheduled', 'Schedule'], ScheduleWakeup: ['clock', 'Setting a reminder:', 'Set a reminder:', 'Set a reminder:'],
  Workflow: ['run-all', 'Running a workflow:', 'Ran a workflow:', 'Run a workflow:'], PushNotification: ['bell', 'Telling you:', 'Told you:', 'Tell you:'], switch_mode: ['settings', 'Changing the mode:', 'Changed the mode:', 'Change the mode:'],
  image_generation: ['file-media', 'Drawing', 'Drew', 'Draw'], sleep: ['clock', 'Waiting:', 'Waited:', 'Wait:'],
};

/** Calls about agents that are at work already: Codex's words, and the title is what they are told, or nothing. */
const ofAgents: Readonly<Record<string, Words>> = {
  listAgents: agents, list_agents: agents, wait: waiting, wait_agent: waiting, closeAgent: ending, close_agent: ending, interruptAgent: ending, interrupt_agent: ending,
  sendInput: telling, send_input: telling, sendMessage: telling, send_message: telling, followupTask: telling, followup_task: telling, resumeAgent: ['hubot', 'Resuming an agent:', 'Resumed an agent:', 'Resume an agent:'],
};

/** Agents that do not name their tools: what they say of the call is all there is. */
const nameless: ReadonlySet<string> = new Set(['tool', 'other', 'function', 'dynamic']);

/** Plain words for a call of that tool, and what it was done to; null where its kind and its name say enough. */
export function callWords(tool: string, verb: string, title: string): CallWords | null {
  const words = (verb === 'agent' ? found(ofAgents, tool) : null) ?? found(alone, tool) ?? found(about, tool) ?? (verb === 'other' && nameless.has(tool) ? ['tools', 'Using a tool:', 'Used a tool:', 'Use a tool:'] : null);
  if (words === null) return null;
  const subject = found(alone, tool) === null && saysMore(title, tool) ? title.replace(/^Wait (?=\d)/, '') : '';
  const [icon, running, done, would] = words;
  const whole = (text: string): string => (subject === '' ? text.replace(/(?: for|:)$/, '') : text);
  return { icon, words: [whole(running), whole(done), whole(would)], subject, asks: words === ask || words === plan };
}

function found(table: Readonly<Record<string, Words>>, tool: string): Words | null {
  return Object.hasOwn(table, tool) ? (table[tool] ?? null) : null;
}

/** A title that only repeats the name of its tool says nothing. */
export function saysMore(title: string, tool: string): boolean {
  return title !== '' && title !== tool && title !== `${tool} call`;
}
