import type { components } from './schema';

// The one place that ties the page's words to the generated types (npm run generate-types).
type Schemas = components['schemas'];

export type Session = Schemas['Session'];
export type SessionListItem = Schemas['SessionListItem'];
export type SessionChange = Schemas['UpdateSession'];
export type SessionPage = Schemas['SessionPage'];
export type SessionDetail = Schemas['SessionDetail'];
export type Message = Schemas['Message'];
export type MessageStatus = Schemas['MessageStatus'];
export type ClosingMessage = Schemas['ClosingMessage'];
export type Quota = Schemas['Quota'];
export type Features = Schemas['Features'];
export type ErrorCode = Schemas['ErrorCode'];
export type ErrorObject = Schemas['Error'];
export type ErrorBody = Schemas['ErrorBody'];
export type SendResult = Schemas['SendResult'];
export type StartEvent = Schemas['StartEvent'];
export type DoneEvent = Schemas['DoneEvent'];
export type ErrorEvent = Schemas['ErrorEvent'];
export type AnswerEvent = Schemas['AnswerEvent'];
