// Generated from schema.json by scripts/generate.mjs (npm run generate). Do not edit.

export const PROTOCOL_VERSION = 1;

export const MAX_TEXT_CHARS = 4000;

export const MAX_FILE_BYTES = 10485760;

export const MAX_SDP_BYTES = 32768;

export const SNAPSHOT_ITEMS = 200;

/** Reply of `POST /v1/agents/token`: short-lived, for the socket's CONNECT and Bearer headers. */
export interface AccessToken {
  token: string;
  expires_ms: number;
}

/** A command's answer, sent after the commit: seq given by the log, and what was asked for. */
export interface Ack {
  seq?: number;
  engagement?: string | null;
  at_ms?: number;
  offer?: PathOffer | null;
  ticket?: PathOffer | null;
  cobrowse?: CobrowseAccess | null;
  snapshot?: EngagementSnapshot | null;
  error?: WireError | null;
}

/** load of capacity engagements; missed: how many offers in a row ran out. */
export interface AgentChanged {
  availability: "break" | "busy" | "offline" | "ready";
  load: number;
  capacity: number;
  waiting: number;
  missed: number;
}

/** Reply of login and `GET /v1/agents/me`. */
export interface AgentInfo {
  id: string;
  login: string;
  name: string;
  role: "admin" | "agent" | "supervisor";
  site: string;
  capacity: number;
}

export interface AgentSetAvailability {
  availability: "break" | "busy" | "ready";
}

/** ticket: the leg's next path in advance. offer: the same path's next revision, with all its places.
 * 
 * A path begins with the voice alone, so that it is heard soonest; answer `offer` once it is connected. */
export interface AnswerReply {
  ticket: PathOffer | null;
  offer: PathOffer | null;
}

/** Body of `POST /v1/paths/{path}/answer` -> AnswerReply. */
export interface AnswerRequest {
  engagement: string;
  device: string;
  revision: number;
  sdp: string;
}

/** A capability that an agent asked for and the visitor has not answered. */
export interface AskView {
  capability: "audio" | "control" | "point" | "record" | "screen" | "video" | "view";
  kinds: ("click" | "navigate" | "scroll" | "type")[];
  by: string;
}

/** My description for a path. The ack carries the next-path `ticket`. Same as the POST. */
export interface CallAnswer {
  engagement: string;
  path: string;
  revision: number;
  sdp: string;
}

/** Move my leg to the tab that says so; the tab that held it lets go. */
export interface CallBringHere {
  counter: number;
  engagement: string;
}

/** Say no to the other side's suggestion; an agent also by it declines a requested call. */
export interface CallDecline {
  counter: number;
  engagement: string;
}

/** The other leg's `call.signal_direct`. */
export interface CallDirect {
  engagement: string;
  attempt: string;
  kind: "answer" | "candidate" | "close" | "offer";
  body: string;
}

export interface CallHangUp {
  counter: number;
  engagement: string;
}

export interface CallHold {
  counter: number;
  engagement: string;
}

/** A step of the call: what happened, by whom; duration_ms on `ended` (0 if never connected). */
export interface CallItem {
  kind: "call";
  seq: number;
  at_ms: number;
  by: string;
  what: "connected" | "declined" | "ended" | "held" | "joined" | "moved" | "requested" | "resumed" | "suggested";
  media: "audio" | "screen" | "video";
  duration_ms: number;
}

/** The agent takes part in a call that the visitor started. */
export interface CallJoin {
  counter: number;
  engagement: string;
}

/** My leg is held by another tab now: close the path here. */
export interface CallMoved {
  engagement: string;
  leg: string;
  device: string;
}

/** The server offers a path for my leg; answer with `call.answer`. */
export interface CallOffered {
  offer: PathOffer;
}

/** Ask for a fresh path of my leg. The ack carries `offer`. Same as `POST /v1/paths`. */
export interface CallOpenPath {
  engagement: string;
}

/** What I send from now on: microphone, camera, screen (no renegotiation).
 * 
 * A visitor's camera and screen need a consent when they go on. */
export interface CallRequestChange {
  counter: number;
  engagement: string;
  muted: boolean;
  video: boolean;
  consent?: Consent | null;
  screen?: boolean;
}

/** Whom a participant's leg talks to and hears from now on: `signaling/roles.py`.
 * 
 * monitor, whisper and barge are a supervisor's own; hold and talk of others are any agent's. */
export interface CallSetMode {
  counter: number;
  engagement: string;
  participant: string;
  mode: "barge" | "consult" | "hold" | "monitor" | "talk" | "whisper";
}

/** For the other leg of a direct call, unread: a description or a candidate, in JSON as browsers make it.
 * 
 * Possible while the view's `call.direct` is true. `attempt` numbers the connection it belongs to. */
export interface CallSignalDirect {
  engagement: string;
  attempt: string;
  kind: "answer" | "candidate" | "close" | "offer";
  body?: string;
}

/** Who speaks now, in calls of more than two. */
export interface CallSpeaker {
  engagement: string;
  leg: string;
}

/** The visitor's **talk now**. Without an engagement it opens one and waits in the queue. */
export interface CallStart {
  counter: number;
  consent: Consent;
  engagement?: string | null;
  video?: boolean;
}

/** Propose voice (agent to visitor), video or a shared screen (either way); the other side decides. */
export interface CallSuggest {
  counter: number;
  engagement: string;
  media: "audio" | "screen" | "video";
}

/** The next path of my leg, prepared in advance: keep it over a page load, answer it there. */
export interface CallTicket {
  ticket: PathOffer;
}

export interface CallUnhold {
  counter: number;
  engagement: string;
}

/** suggestion/suggested_by: an open proposal of voice, video or a screen, "" when none.
 * 
 * direct: the two legs may connect to each other by `call.signal_direct`. */
export interface CallView {
  state: "connected" | "negotiating" | "none" | "on_hold" | "requested";
  video_wanted: boolean;
  suggestion: "" | "audio" | "screen" | "video";
  suggested_by: string | null;
  connected_ms: number;
  legs: LegView[];
  direct: boolean;
}

/** Highest seq of a message this participant received and read; never goes back. */
export interface ChatMark {
  engagement: string;
  delivered: number;
  read: number;
}

export interface ChatMarked {
  engagement: string;
  seq: number;
  mark: MarkView;
}

export interface ChatPosted {
  engagement: string;
  seq: number;
  message: MessageItem;
}

/** Say something, or send an uploaded file. A visitor without an engagement opens one by it. */
export interface ChatSend {
  counter: number;
  text?: string;
  engagement?: string | null;
  file?: string | null;
}

export interface ChatTyping {
  engagement: string;
  typing: boolean;
}

export interface ChatTypingChanged {
  engagement: string;
  participant: string;
  typing: boolean;
}

/** What opens the cobrowse socket.
 * 
 * `token` for HELLO at the WebSocket `url` (of this server) (docs/cobrowse_wire.md).
 * 
 * role: recorder (the visitor's tab) or viewer. viewer_url: the page that shows what is shared, on its own
 * origin. */
export interface CobrowseAccess {
  token: string;
  url: string;
  role: "recorder" | "viewer";
  viewer_url: string;
}

/** Ask for more than to look: to point, to control (kinds), to keep the frames. */
export interface CobrowseAsk {
  counter: number;
  engagement: string;
  capability: "control" | "point" | "record";
  kinds?: ("click" | "navigate" | "scroll" | "type")[];
}

/** Show my page to somebody I talk to elsewhere: the view then has a code of six digits to tell them.
 * 
 * Without an engagement it opens one that waits for the code, not in the queue. */
export interface CobrowseCode {
  counter: number;
  consent: Consent;
  engagement?: string | null;
}

/** No to what was asked; an agent takes its own question back by it. */
export interface CobrowseDecline {
  counter: number;
  engagement: string;
  capability?: "control" | "point" | "record" | "view";
}

/** The visitor's yes to a capability. kinds, origin (the page's own) and ttl_s count for control. */
export interface CobrowseGrant {
  counter: number;
  engagement: string;
  consent: Consent;
  kinds?: ("click" | "navigate" | "scroll" | "type")[];
  origin?: string;
  ttl_s?: number;
}

/** A step of the shared page. On `started` and `granted` it is the receipt of the visitor's consent.
 * 
 * count: how many secrets were hidden (`masked`). wording_sha256, language: of the words the visitor agreed
 * to. */
export interface CobrowseItem {
  kind: "cobrowse";
  seq: number;
  at_ms: number;
  by: string;
  what: "asked" | "code_issued" | "code_used" | "declined" | "expired" | "granted" | "masked" | "paused" | "requested" | "resumed" | "revoked" | "started" | "stopped" | "viewer_joined" | "viewer_left";
  name: string;
  capability: "audio" | "control" | "point" | "record" | "screen" | "video" | "view";
  kinds: ("click" | "navigate" | "scroll" | "type")[];
  origin: string;
  expires_ms: number;
  wording_sha256: string;
  language: string;
  count: number;
}

/** The agent has the visitor who tells this code; the ack carries its `engagement`. */
export interface CobrowseJoinCode {
  counter: number;
  code: string;
}

/** What opens my cobrowse socket while the page is shared; the ack carries `cobrowse`. */
export interface CobrowseOpen {
  engagement: string;
}

export interface CobrowsePause {
  counter: number;
  engagement: string;
}

/** Ask the visitor to show the page. */
export interface CobrowseRequest {
  counter: number;
  engagement: string;
}

export interface CobrowseResume {
  counter: number;
  engagement: string;
}

/** Take a grant back (visitor), or give it back (agent). */
export interface CobrowseRevoke {
  counter: number;
  engagement: string;
  capability: "control" | "point" | "record";
}

/** The visitor shows its pages to the agents of the engagement. consent: capability `view`. */
export interface CobrowseStart {
  counter: number;
  engagement: string;
  consent: Consent;
}

export interface CobrowseStop {
  counter: number;
  engagement: string;
}

/** The shared page. code: for the visitor alone, to tell somebody who is on the phone; until code_due_ms.
 * 
 * masked: how many secrets the server had to hide that the page had not. */
export interface CobrowseView {
  state: "live" | "off" | "paused" | "requested";
  requested_by: string | null;
  since_ms: number;
  asks: AskView[];
  grants: GrantView[];
  viewers: ViewerView[];
  masked: number;
  code: string;
  code_due_ms: number;
}

/** The Socket.IO CONNECT payload. `token`: visitor credential or agent access token.
 * 
 * device: minted by the client, one per tab, kept over reloads (a duplicated tab mints anew).
 * after_seq: highest seq seen of `engagement`, so that only what was missed is sent. */
export interface ConnectAuth {
  protocol: number;
  token: string;
  device: string;
  site?: string | null;
  engagement?: string | null;
  after_seq?: number;
  page?: Page | null;
}

/** The visitor's recorded yes: capability, SHA-256 (hex) of the wording shown, BCP 47 language. */
export interface Consent {
  capability: "audio" | "control" | "point" | "record" | "screen" | "video" | "view";
  wording_sha256: string;
  language?: string;
}

export interface ConsentItem {
  kind: "consent";
  seq: number;
  at_ms: number;
  by: string;
  capability: "audio" | "control" | "point" | "record" | "screen" | "video" | "view";
}

/** Something but a chat message happened: the new view whole, and the items it adds. */
export interface EngagementChanged {
  seq: number;
  view: EngagementView;
  items: TimelineItem[];
}

/** The agent ends the engagement and goes to wrap-up. */
export interface EngagementEnd {
  counter: number;
  engagement: string;
}

/** Ask a colleague (by login) into the engagement: to consult with me alone, or to talk with all. */
export interface EngagementInvite {
  counter: number;
  engagement: string;
  login: string;
  mode?: "consult" | "talk";
}

/** A colleague asks me into an engagement; answer with `engagement.join`. */
export interface EngagementInvited {
  engagement: string;
  by: string;
  by_name: string;
  mode: "barge" | "consult" | "hold" | "monitor" | "talk" | "whisper";
  visitor: ParticipantView;
}

/** Come in: who was invited as it was invited; a supervisor also uninvited, to monitor by default. */
export interface EngagementJoin {
  counter: number;
  engagement: string;
  mode?: "barge" | "consult" | "hold" | "monitor" | "talk" | "whisper" | null;
}

/** The visitor ends the engagement; a colleague leaves it to the others. */
export interface EngagementLeave {
  counter: number;
  engagement: string;
}

/** `items` are all visible items with seq > after_seq, oldest first (at most SNAPSHOT_ITEMS).
 * 
 * truncated: older items exist between after_seq and items[0]; read them by
 * `GET /v1/engagements/{id}/timeline?before=SEQ`. */
export interface EngagementSnapshot {
  view: EngagementView;
  items: TimelineItem[];
  after_seq: number;
  truncated: boolean;
}

/** An engagement this connection had not seen yet (the agent was just assigned). */
export interface EngagementSnapshotEvent {
  snapshot: EngagementSnapshot;
}

/** Give me what I missed: the ack's `snapshot` has all items after `after_seq`. */
export interface EngagementSync {
  engagement: string;
  after_seq?: number;
}

/** Everything but the timeline. Replaced whole on every change, so no client can drift.
 * 
 * agent: whose engagement it is; other agents among the participants are colleagues. */
export interface EngagementView {
  id: string;
  site: string;
  phase: "active" | "ended" | "offered" | "open" | "queued" | "wrap_up";
  seq: number;
  opened_ms: number;
  queued_ms: number;
  ended_ms: number;
  end_reason: "" | "abandoned" | "agent_ended" | "agent_lost" | "visitor_left";
  participants: ParticipantView[];
  call: CallView;
  marks: MarkView[];
  agent: string | null;
  page: Page | null;
  wrap_up_due_ms: number;
  cobrowse: CobrowseView;
}

/** After-work is done: outcome code and note; the engagement is ended, capacity is free. */
export interface EngagementWrapUp {
  counter: number;
  engagement: string;
  code?: string;
  note?: string;
}

/** A fault of something that had no ack id. */
export interface ErrorEvent {
  error: WireError;
}

/** An uploaded file as readers see it; `bytes` is its size. Fetched by `GET /v1/files/{id}`. */
export interface FileInfo {
  id: string;
  name: string;
  media_type: string;
  bytes: number;
}

/** expires_ms: server epoch time, 0: as long as the page is shared. kinds, origin, holder: of control.
 * 
 * holder: who asked for it, and alone may use it; holder_name: its display name. */
export interface GrantView {
  id: string;
  capability: "audio" | "control" | "point" | "record" | "screen" | "video" | "view";
  kinds: ("click" | "navigate" | "scroll" | "type")[];
  origin: string;
  at_ms: number;
  expires_ms: number;
  holder: string | null;
  holder_name: string;
}

/** W3C RTCIceServer. */
export interface IceServer {
  urls: string[];
  username: string;
  credential: string;
}

export interface JoinedItem {
  kind: "joined";
  seq: number;
  at_ms: number;
  by: string;
  name: string;
  role: "agent" | "supervisor" | "visitor";
}

export interface LeftItem {
  kind: "left";
  seq: number;
  at_ms: number;
  by: string;
  name: string;
}

/** `device` is the tab that holds the leg; seat: which place it has in others' descriptions.
 * 
 * In the description of the leg with seat `mine`, what the leg with seat `theirs` sends arrives in slot
 * `theirs if theirs < mine else theirs - 1` of each kind (docs/protocol.md, section 5). */
export interface LegView {
  id: string;
  participant: string;
  state: "awaiting_path" | "connected";
  device: string;
  muted: boolean;
  video: boolean;
  screen: boolean;
  mode: "barge" | "consult" | "hold" | "monitor" | "talk" | "whisper";
  seat: number;
}

export interface LoginRequest {
  login: string;
  password: string;
}

export interface MarkView {
  participant: string;
  delivered: number;
  read: number;
}

/** A chat message; `device`/`counter` let the sender match its own un-acked one. */
export interface MessageItem {
  kind: "message";
  seq: number;
  at_ms: number;
  by: string;
  text: string;
  device: string;
  counter: number;
  file: FileInfo | null;
}

/** Agents only. */
export interface NoteItem {
  kind: "note";
  seq: number;
  at_ms: number;
  by: string;
  code: string;
  text: string;
}

export interface OfferAccept {
  engagement: string;
  offer: string;
}

export interface OfferDecline {
  engagement: string;
  offer: string;
}

/** Work for an agent: who, what, on which page, waiting since when; answer before due_ms. */
export interface OfferMade {
  offer: string;
  engagement: string;
  due_ms: number;
  remaining_ms: number;
  waiting_since_ms: number;
  visitor: ParticipantView;
  wants: "chat" | "video" | "voice";
  first_text: string;
  page: Page | null;
}

export interface OfferWithdrawn {
  offer: string;
  engagement: string;
  reason: "declined" | "taken" | "timeout" | "unavailable" | "visitor_left";
}

/** A page of the company's site as the visitor's browser names it. */
export interface Page {
  url: string;
  title?: string;
}

export interface PageItem {
  kind: "page";
  seq: number;
  at_ms: number;
  by: string;
  page: Page;
}

/** Sent in `pagehide`: what follows is a page change, not a hang-up. */
export interface PageLeave {
  engagement: string;
}

export interface PageVisit {
  engagement: string;
  page: Page;
}

/** `verified_id` is the subject of the company's signed token; only agents see it. */
export interface ParticipantView {
  id: string;
  role: "agent" | "supervisor" | "visitor";
  name: string;
  presence: "away" | "gone" | "online";
  away_reason: "" | "changing_page" | "lost";
  verified: boolean;
  verified_id: string;
}

/** A server offer for one path of a leg. Also what a next-path ticket holds.
 * 
 * sdp: the offer, complete (ICE-lite, all candidates in it); answer it at once.
 * expires_ms: server epoch time until when a first check is accepted.
 * relay_only: media may leave the browser through a TURN server only (`iceTransportPolicy` "relay"). */
export interface PathOffer {
  engagement: string;
  leg: string;
  path: string;
  revision: number;
  sdp: string;
  expires_ms: number;
  ice_servers: IceServer[];
  relay_only: boolean;
}

/** Body of `POST /v1/paths` -> PathOffer. */
export interface PathRequest {
  engagement: string;
  device: string;
}

export interface PhaseItem {
  kind: "phase";
  seq: number;
  at_ms: number;
  phase: "active" | "ended" | "offered" | "open" | "queued" | "wrap_up";
  reason: "" | "abandoned" | "agent_ended" | "agent_lost" | "visitor_left";
}

/** RFC 9457 problem+json with the same stable `code` as WireError. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  retry_after_ms: number;
}

/** position: 1 = next; agents: how many are at work now (0: nobody is there). */
export interface QueueMoved {
  engagement: string;
  position: number;
  agents: number;
}

/** Are you still there? Answered at once, whatever else waits. */
export interface SessionCheck {
}

/** The node drains or the connection is refused from now on; reconnect after the wait. */
export interface SessionClosing {
  code: string;
  retry_after_ms: number;
}

/** First event on a connection. `engagements`: those this participant is in, with all missed.
 * 
 * check_ms: how often to ask `session.check` while something goes on; 0: a dead server is noticed anyway.
 * servers: other addresses of this service, for when this one does not answer. */
export interface SessionReady {
  protocol: number;
  participant: string;
  role: "agent" | "supervisor" | "visitor";
  name: string;
  site: string;
  server_ms: number;
  engagements: EngagementSnapshot[];
  availability: "break" | "busy" | "offline" | "ready";
  capacity: number;
  check_ms: number;
  servers: string[];
}

export interface SessionReply {
  credential: string;
  visitor: string;
  name: string;
  verified: boolean;
  expires_ms: number;
}

/** Body of `POST /v1/visitors/session`. token: the company's JWT; credential: kept from before. */
export interface SessionRequest {
  site: string;
  token?: string | null;
  credential?: string | null;
}

/** `GET /v1/engagements/{id}/timeline?before=SEQ`: items oldest first. */
export interface TimelinePage {
  items: TimelineItem[];
  more: boolean;
}

/** Camera or screen went on or off. */
export interface VideoItem {
  kind: "video";
  seq: number;
  at_ms: number;
  by: string;
  on: boolean;
  media: "audio" | "screen" | "video";
}

/** Who looks at the page, since when. */
export interface ViewerView {
  participant: string;
  name: string;
  since_ms: number;
}

/** `GET /v1/sites/{site}/widget`: what the widget shows before anyone is connected.
 * 
 * continue_on_origins: where the shared page of another origin of the site goes on. */
export interface WidgetConfig {
  site: string;
  name: string;
  greeting: string;
  language: string;
  voice: boolean;
  video: boolean;
  cobrowse: boolean;
  max_file_bytes: number;
  file_types: string[];
  continue_on_origins: string[];
}

/** The typed answer to a bad or impossible command. `ref` is the command's counter or name. */
export interface WireError {
  code: string;
  message: string;
  ref: string;
  retry_after_ms: number;
}

export type TimelineItem = MessageItem | JoinedItem | LeftItem | CallItem | VideoItem | ConsentItem | CobrowseItem | PageItem | NoteItem | PhaseItem;

/** Body of each command by its wire name. */
export interface CommandPayloads {
  "session.check": SessionCheck;
  "chat.send": ChatSend;
  "chat.mark": ChatMark;
  "chat.typing": ChatTyping;
  "call.suggest": CallSuggest;
  "call.decline": CallDecline;
  "call.start": CallStart;
  "call.join": CallJoin;
  "call.request_change": CallRequestChange;
  "call.hold": CallHold;
  "call.unhold": CallUnhold;
  "call.hang_up": CallHangUp;
  "call.bring_here": CallBringHere;
  "call.set_mode": CallSetMode;
  "call.signal_direct": CallSignalDirect;
  "call.open_path": CallOpenPath;
  "call.answer": CallAnswer;
  "cobrowse.request": CobrowseRequest;
  "cobrowse.start": CobrowseStart;
  "cobrowse.decline": CobrowseDecline;
  "cobrowse.pause": CobrowsePause;
  "cobrowse.resume": CobrowseResume;
  "cobrowse.stop": CobrowseStop;
  "cobrowse.ask": CobrowseAsk;
  "cobrowse.grant": CobrowseGrant;
  "cobrowse.revoke": CobrowseRevoke;
  "cobrowse.open": CobrowseOpen;
  "cobrowse.code": CobrowseCode;
  "cobrowse.join_code": CobrowseJoinCode;
  "page.visit": PageVisit;
  "page.leave": PageLeave;
  "engagement.invite": EngagementInvite;
  "engagement.join": EngagementJoin;
  "engagement.leave": EngagementLeave;
  "engagement.end": EngagementEnd;
  "engagement.wrap_up": EngagementWrapUp;
  "engagement.sync": EngagementSync;
  "agent.set_availability": AgentSetAvailability;
  "offer.accept": OfferAccept;
  "offer.decline": OfferDecline;
}

/** Body of each server event by its wire name. */
export interface ServerEventPayloads {
  "session.ready": SessionReady;
  "session.closing": SessionClosing;
  "engagement.snapshot": EngagementSnapshotEvent;
  "engagement.changed": EngagementChanged;
  "chat.posted": ChatPosted;
  "chat.marked": ChatMarked;
  "chat.typing_changed": ChatTypingChanged;
  "queue.moved": QueueMoved;
  "offer.made": OfferMade;
  "offer.withdrawn": OfferWithdrawn;
  "agent.changed": AgentChanged;
  "call.offered": CallOffered;
  "call.ticket": CallTicket;
  "call.moved": CallMoved;
  "call.speaker": CallSpeaker;
  "call.direct": CallDirect;
  "engagement.invited": EngagementInvited;
  "error": ErrorEvent;
}

export type CommandName = keyof CommandPayloads;

export type ServerEventName = keyof ServerEventPayloads;

export type AnyCommand = { [N in CommandName]: { type: N } & CommandPayloads[N] }[CommandName];

export type AnyServerEvent = { [N in ServerEventName]: { type: N } & ServerEventPayloads[N] }[ServerEventName];

/** Commands that are numbered, kept until acked and repeated with the same counter. */
export const DURABLE = ["chat.send", "call.suggest", "call.decline", "call.start", "call.join", "call.request_change", "call.hold", "call.unhold", "call.hang_up", "call.bring_here", "call.set_mode", "cobrowse.request", "cobrowse.start", "cobrowse.decline", "cobrowse.pause", "cobrowse.resume", "cobrowse.stop", "cobrowse.ask", "cobrowse.grant", "cobrowse.revoke", "cobrowse.code", "cobrowse.join_code", "engagement.invite", "engagement.join", "engagement.leave", "engagement.end", "engagement.wrap_up"] as const;

export type DurableName = (typeof DURABLE)[number];

/** All server events a client subscribes to. */
export const SERVER_EVENTS = ["session.ready", "session.closing", "engagement.snapshot", "engagement.changed", "chat.posted", "chat.marked", "chat.typing_changed", "queue.moved", "offer.made", "offer.withdrawn", "agent.changed", "call.offered", "call.ticket", "call.moved", "call.speaker", "call.direct", "engagement.invited", "error"] as const;
