// Holds real answers against docs/openapi.yaml: route, method, status, headers, body, events.
//
// Strict beyond what the document asks of clients: an object in an answer may have no property that
// the document doesn't name, so nothing leaves the service undocumented.
import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormatsModule from 'ajv-formats'
import { parse } from 'yaml'

interface Operation {
  responses: Record<string, Json>
}
type Json = Record<string, any> // eslint-disable-line -- a document, not a type of ours
type PathItem = Record<string, Operation>

const file = new URL('../../docs/openapi.yaml', import.meta.url)
export const document = parse(readFileSync(file, 'utf8')) as { paths: Record<string, PathItem> } & Json

function forbidUnnamed(node: unknown): void {
  if (Array.isArray(node)) return node.forEach(forbidUnnamed)
  if (typeof node !== 'object' || node === null) return
  const object = node as Json
  if (typeof object['properties'] === 'object' && !('additionalProperties' in object)) object['additionalProperties'] = false
  // What stands below these is data, not schemas.
  for (const [key, value] of Object.entries(object)) if (!['example', 'examples', 'enum', 'const'].includes(key)) forbidUnnamed(value)
}

const strict = structuredClone(document)
forbidUnnamed(strict['components']['schemas'])
forbidUnnamed(strict.paths)

const ajv = new Ajv2020({ strict: false, allErrors: true })
;(addFormatsModule as unknown as (ajv: Ajv2020) => void)(ajv)
ajv.addSchema(strict, 'openapi')

const compiled = new Map<string, ValidateFunction>()
function validator(pointer: string): ValidateFunction {
  let found = compiled.get(pointer)
  if (!found) compiled.set(pointer, (found = ajv.compile({ $ref: `openapi#${pointer}` })))
  return found
}

function hold(pointer: string, value: unknown, what: string): void {
  const check = validator(pointer)
  if (check(value)) return
  const wrong = check.errors!.map((e) => `  ${e.instancePath || '/'} ${e.message} ${JSON.stringify(e.params)}`).join('\n')
  throw new Error(`${what} is not as docs/openapi.yaml says (${pointer}):\n${wrong}\n${JSON.stringify(value, null, 2).slice(0, 4000)}`)
}

/** The value is what `components/schemas/NAME` says. */
export const holdSchema = (name: string, value: unknown) => hold(`/components/schemas/${name}`, value, name)
/** One event of a stream: its data first, because that error says more than "none of seven". */
export function holdEvent(event: { event: string; id?: string; data: unknown }): void {
  const own = `${event.event.slice(0, 1).toUpperCase()}${event.event.slice(1)}Event`
  if (own in (document['components'] as Json)['schemas']) holdSchema(own, event.data)
  hold('/components/schemas/AnswerEvent', event, `event ${event.event}`)
}

const escape = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))

const templates = Object.keys(document.paths).map((template) => ({
  template,
  // A plain path is meant before one with a parameter.
  rank: template.includes('{') ? 1 : 0,
  pattern: new RegExp(`^${template.replace(/[.]/g, '\\.').replace(/\{[^}]+\}/g, '[^/]*')}$`),
})).sort((a, b) => a.rank - b.rank)

/** The documented path that a request path belongs to. */
export const templateOf = (path: string) => templates.find((t) => t.pattern.test(path))?.template

/** Every documented operation: for tests that go through all routes. */
export const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  ['get', 'post', 'put', 'patch', 'delete'].filter((method) => item[method]).map((method) => ({ method: method.toUpperCase(), path })))

function resolve(node: Json, pointer: string): { node: Json; pointer: string } {
  while (node['$ref']) {
    pointer = (node['$ref'] as string).slice(1)
    node = pointer.split('/').slice(1).reduce<Json>((at, key) => at[key.replaceAll('~1', '/').replaceAll('~0', '~')], document)
  }
  return { node, pointer }
}

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

const statusOf: Record<string, number[]> = {
  invalid_json: [400], invalid_request: [400, 408, 412, 414, 416, 421, 501, 505], unauthenticated: [401], forbidden: [403], feature_disabled: [403],
  not_found: [404], session_not_found: [404], message_not_found: [404], model_not_found: [404], method_not_allowed: [405],
  generation_in_progress: [409], payload_too_large: [413], unsupported_media_type: [415], validation_failed: [422],
  idempotency_mismatch: [422], context_length_exceeded: [422], rate_limited: [429], quota_exceeded: [429], too_many_streams: [429],
  upstream_rate_limited: [429], internal: [500], upstream_error: [502], upstream_invalid_response: [502], api_unavailable: [503],
  overloaded: [503], database_unavailable: [503], quota_unavailable: [503], shutting_down: [503], upstream_timeout: [504],
}

/** An error body: the shape, the code that belongs to the status, the request id of the header. */
export function holdError(answer: Answer): void {
  let body: unknown
  try {
    body = JSON.parse(answer.body)
  } catch {
    throw new Error(`an error below /api/ is JSON, not ${JSON.stringify(answer.body.slice(0, 300))}`)
  }
  holdSchema('ErrorBody', body)
  const error = (body as { error: Json })['error']
  const fits = statusOf[error['code'] as string]
  if (!fits?.includes(answer.status)) throw new Error(`code ${error['code']} came with status ${answer.status}`)
  if (error['request_id'] !== answer.headers['x-request-id'])
    throw new Error(`request_id ${error['request_id']} but X-Request-Id ${answer.headers['x-request-id']}`)
  const retryAfter = answer.headers['retry-after']
  if (retryAfter !== undefined && error['retry_after'] !== Number(retryAfter))
    throw new Error(`retry_after ${error['retry_after']} but Retry-After ${retryAfter}`)
  // SDKs sleep for all of Retry-After where they aren't told that trying again is senseless.
  const senseless = answer.headers['x-should-retry'], triedOut = String(error['code']).startsWith('upstream_')
  if (error['retryable'] ? senseless !== undefined && !triedOut : senseless !== 'false')
    throw new Error(`retryable ${error['retryable']} but x-should-retry ${senseless}`)
  if (error['retryable'] && answer.status < 500 && ![408, 409, 429].includes(answer.status))
    throw new Error(`a ${answer.status} is retryable`)
}

function holdHeaders(node: Json, answer: Answer, what: string): void {
  for (const [name, entry] of Object.entries(node['headers'] ?? {})) {
    const value = answer.headers[name.toLowerCase()]
    const header = resolve(entry as Json, '').node
    if (value === undefined) {
      if (header['required']) throw new Error(`${what}: no ${name}`)
      continue
    }
    const pointer = (entry as Json)['$ref'] ? `${(entry as Json)['$ref'].slice(1)}/schema` : undefined
    if (!pointer) continue
    const text = Array.isArray(value) ? value[0]! : value
    hold(pointer, /^\d+$/.test(text) && name !== 'X-Request-Id' ? Number(text) : text, `${what}: ${name}`)
  }
}

/** A whole answer but an event stream's body, whose events are held one by one. */
export function holdAnswer(method: string, path: string, answer: Answer): void {
  const what = `${method} ${path} → ${answer.status}`
  path = new URL(path, 'https://host').pathname // dots resolved, as the service routes
  const id = answer.headers['x-request-id']
  if (typeof id !== 'string' || !/^[A-Za-z0-9-]{1,64}$/.test(id)) throw new Error(`${what}: X-Request-Id is ${JSON.stringify(id)}`)
  const type = String(answer.headers['content-type'] ?? '').split(';')[0]!.trim()
  const isApi = path.startsWith('/api/')
  if (isApi && answer.status >= 400 && method !== 'HEAD') holdError(answer)

  const template = templateOf(path)
  const verb = (method === 'HEAD' ? 'get' : method).toLowerCase()
  const operation = template && document.paths[template]![verb]
  if (!operation) {
    if (isApi && answer.status < 400) throw new Error(`${what}: no such operation in docs/openapi.yaml`)
    return
  }
  const found = operation.responses[String(answer.status)]
  if (!found) {
    // What nginx or the reading of the request refuses may happen to any operation.
    if ([400, 405, 413, 414, 415, 429, 500, 501, 502, 503, 504].includes(answer.status)) return
    throw new Error(`${what}: this status is not in docs/openapi.yaml\n${answer.body.slice(0, 1000)}`)
  }
  const { node, pointer } = resolve(found, `/paths/${escape(template)}/${verb}/responses/${answer.status}`)
  if (answer.status !== 404 || !isApi) holdHeaders(node, answer, what)
  if (method === 'HEAD') {
    if (answer.body !== '') throw new Error(`${what}: HEAD with a body`)
    return
  }
  const content = node['content'] as Json | undefined
  if (!content) {
    if (answer.body !== '' && answer.status === 204) throw new Error(`${what}: 204 with a body`)
    return
  }
  if (!content[type]) throw new Error(`${what}: Content-Type ${type}, documented are ${Object.keys(content).join(', ')}`)
  if (type === 'application/json') hold(`${pointer}/content/${escape(type)}/schema`, JSON.parse(answer.body), what)
}
