export { launchVSCode, runningVSCodes, VSCode, type LaunchOptions, type WindowOptions } from './launch.ts';
export { Dialogs, Menus, Notifications, type DialogState, type NotificationState } from './parts.ts';
export { copySampleWorkspace, demoAgentSetting, type AgentName } from './profile.ts';
export { QuickInput, type QuickItem, type QuickState } from './quick.ts';
export { currentRig, prepareRig, projectRoot, resultsFolder, type Rig } from './rig.ts';
export { TreeItem, TreeView, type ItemName, type TreeRow } from './tree.ts';
export { until, WAIT_MS } from './wait.ts';
export { VSCodeWindow, type Theme } from './window.ts';
