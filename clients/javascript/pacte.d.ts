/** What a house answers; the forms are documented under `/en/api` of the house. */
export type Answer = Record<string, any>
/** `key:…`, `email:…`, `phone:…`, or a subject identifier. */
export type Person = string
export type Act =
  | "given" | "refused" | "withdrawn" | "objected" | "objection_lifted" | "objection_overruled" | "restricted"
  | "restriction_lifted"

export interface Details {
  method: string
  channel?: string
  recipient?: string
  grade?: "none" | "attested" | "paper" | "form" | "double_opt_in"
  voice?: "self" | "guardian"
  authenticated?: boolean
  effective?: string
  learned?: string
  notice?: string
  form?: string
  signal?: string
  reason?: string
}
export interface Place { fields?: string[]; channel?: string; recipient?: string }
export interface Question extends Place { as_of?: string; known_at?: number; lang?: "en" | "fr" }
export interface Recorded { entry: number; size: number; at: string; also: number }
export interface Decision extends Answer {
  permitted: boolean
  reason: { code: string; words: string; [more: string]: any }
  obligations: { code: string; before?: string }[]
}
export interface Used { use: string; entry: number; expires: string; values: Record<string, unknown>; [more: string]: any }

export class Problem extends Error {
  readonly status: number
  readonly type: string
  readonly code: string
  readonly title: string
  readonly detail: string
  readonly more: Answer
  readonly retryAfter?: number
}
export class Unreachable extends Error { readonly key: string }
export class Forged extends Error {}

export class Client {
  constructor(url: string, key?: string, options?: { timeout?: number; tries?: number })
  choose(person: Person, purpose: string, act: Act, details: Details, idempotencyKey?: string): Promise<Recorded>
  chooseAll(
    choices: ({ person: Person; purpose: string; act: Act } & Details)[], idempotencyKey?: string,
  ): Promise<{ entries: number[]; size: number; at: string; also: number }>
  choices(person: Person, lang?: "en" | "fr"): Promise<Answer>
  decide(person: Person, purpose: string, question?: Question): Promise<Decision>
  decideAll(
    questions: ({ person: Person; purpose: string } & Question)[],
  ): Promise<{ decision?: Decision; problem?: Answer }[]>
  use(person: Person, purpose: string, place?: Place, idempotencyKey?: string): Promise<Used>
  shadow(reports: ({ person: Person; purpose: string; did: boolean } & Place)[]): Promise<Answer[]>
  shadowReport(days?: { first?: string; last?: string }): Promise<Answer[]>
  receipt(person: Person, which?: { entry?: number; purpose?: string; lang?: "en" | "fr" }): Promise<Answer>
  notice(lang?: "en" | "fr"): Promise<Answer>
  checkpoint(): Promise<Answer>
  key(): Promise<Answer>
  webhooks(): Promise<Answer[]>
  deadMessages(): Promise<Answer[]>
  resend(which?: { webhook?: string; entries?: number[] }): Promise<number>
  pseudonyms(webhook: string, people: Person[]): Promise<(string | null)[]>
}

export function readWebhook(
  secret: string, headers: Headers | Record<string, string>, body: string, now?: number,
): Promise<Answer>
