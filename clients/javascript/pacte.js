/**
 * A client of a house's API: one ES module, nothing but `fetch`; for Node 20 and later, and for browsers.
 *
 *   import { Client } from "./pacte.js"
 *   const house = new Client("https://privacy.shop.example", key)
 *   if ((await house.decide("key:C0000003", "newsletter", { channel: "email" })).permitted) …
 *
 * A key speaks for everybody whom it names: keep it on your server, never in a page that visitors load.
 * Calls that write are named by an idempotency key and tried again where no answer came: nothing is recorded twice.
 */

const AGAIN = new Set([429, 502, 503, 504])
const LONGEST = 60_000

/** A call that the house refused (RFC 9457); `code` is the last word of its type, `more` holds all other members. */
export class Problem extends Error {
  constructor(status, said, retryAfter) {
    const { type = "about:blank", title = "", detail = "", status: _, ...more } = said
    const code = type.slice(type.lastIndexOf("/") + 1)
    super(`${status} ${code}: ${detail || title}`)
    Object.assign(this, { name: "Problem", status, type, code, title, detail, more, retryAfter })
  }
}

/** Nobody answered; the same call with the same `key` gets the answer that was lost, if there was one. */
export class Unreachable extends Error {
  constructor(key) {
    super("the house does not answer; call again later with the same idempotency key")
    Object.assign(this, { name: "Unreachable", key })
  }
}

/** A message that is not the house's, that was changed on its way, or that is too old. */
export class Forged extends Error {
  name = "Forged"
}

export class Client {
  #key
  #root
  #timeout
  #tries

  constructor(url, key = "", { timeout = 30_000, tries = 5 } = {}) {
    if (!/^https?:\/\/[^/]/.test(url)) throw new TypeError("expected the address of a house")
    this.#root = `${url.replace(/\/+$/, "")}/api/v1`
    this.#key = key
    this.#timeout = timeout
    this.#tries = Math.max(1, tries)
  }

  /** Record what a person said. `details`: `method` (needed), `channel`, `recipient`, `grade`, `notice`, … */
  choose(person, purpose, act, details, idempotencyKey = crypto.randomUUID()) {
    return this.#call("POST", "/choices", { person, purpose, act, ...details }, idempotencyKey)
  }

  /** Record up to a thousand choices, all or none. */
  chooseAll(choices, idempotencyKey = crypto.randomUUID()) {
    return this.#call("POST", "/choices/batch", { choices }, idempotencyKey)
  }

  /** What a person said and what holds now; the look is recorded. */
  choices(person, lang = "en") {
    return this.#call("POST", "/choices/read", { person, lang })
  }

  /** May we? `question`: `fields`, `channel`, `recipient`, `as_of`, `known_at`, `lang`. */
  decide(person, purpose, question = {}) {
    return this.#call("POST", "/decisions", { person, purpose, ...question })
  }

  /** The answers to up to a thousand questions: each holds a `decision` or a `problem`. */
  async decideAll(questions) {
    return (await this.#call("POST", "/decisions/batch", { questions })).decisions
  }

  /** Use one person's data: recorded first, then opened. A refusal is a `Problem` with the code `denied`. */
  use(person, purpose, { fields = [], ...place } = {}, idempotencyKey = crypto.randomUUID()) {
    return this.#call("POST", "/uses", { person, purpose, fields, ...place }, idempotencyKey)
  }

  /** What the gate would have said to each of up to a thousand reports. Tried once: sent twice, it counts twice. */
  async shadow(reports) {
    return (await this.#call("POST", "/decisions/shadow", { reports }, "", 1)).answers
  }

  /** How often both agreed, by day and purpose, between two days (`YYYY-MM-DD`). */
  async shadowReport(days = {}) {
    const asked = new URLSearchParams(days).toString()
    return (await this.#call("GET", `/shadow/report${asked && `?${asked}`}`)).days
  }

  /** The receipt of a choice, for the person to keep. `which`: `entry`, `purpose`, `lang`. */
  receipt(person, which = {}) {
    return this.#call("POST", "/receipts", { person, ...which })
  }

  /** The notice in force; needs no key. */
  notice(lang = "en") {
    return this.#call("GET", `/notice/${encodeURIComponent(lang)}`)
  }

  /** The ledger's signed checkpoint; needs no key. */
  checkpoint() {
    return this.#call("GET", "/ledger/checkpoint")
  }

  /** What the key of this client may do. */
  key() {
    return this.#call("GET", "/key")
  }

  /** The receivers of the house's messages, and how each fares. */
  async webhooks() {
    return (await this.#call("GET", "/webhooks")).webhooks
  }

  /** The messages that nobody took. */
  async deadMessages() {
    return (await this.#call("GET", "/webhooks/dead")).dead
  }

  /** Send dead messages again; answers how many. */
  async resend(which = {}) {
    return (await this.#call("POST", "/webhooks/dead/resend", which)).resent
  }

  /** Under which name a receiver hears of people whom you know already. */
  async pseudonyms(webhook, people) {
    return (await this.#call("POST", "/webhooks/pseudonyms", { webhook, people })).pseudonyms
  }

  async #call(method, path, said, key = "", tries = this.#tries) {
    for (let attempt = 1; ; attempt++) {
      let wait = (100 + 100 * Math.random()) * 2 ** (attempt - 1)
      try {
        return await this.#once(method, path, said, key)
      } catch (error) {
        const refused = error instanceof Problem
        if (refused && (attempt === tries || !AGAIN.has(error.status))) throw error
        if (!refused && attempt === tries) throw new Unreachable(key)
        if (refused && error.retryAfter !== undefined) wait = error.retryAfter * 1000
      }
      await new Promise((go) => setTimeout(go, Math.min(wait, LONGEST)))
    }
  }

  async #once(method, path, said, key) {
    const headers = { Accept: "application/json" }
    if (said !== undefined) headers["Content-Type"] = "application/json"
    if (this.#key) headers.Authorization = `Bearer ${this.#key}`
    if (key) headers["Idempotency-Key"] = key
    const answer = await fetch(this.#root + path, {
      method,
      headers,
      body: said === undefined ? undefined : JSON.stringify(said),
      redirect: "error", // whoever redirects a call would get the key
      credentials: "omit",
      signal: AbortSignal.timeout(this.#timeout),
    })
    if (answer.ok) return answer.json()
    const after = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10)
    const told = await answer.json().catch(() => ({}))
    throw new Problem(answer.status, told, Number.isNaN(after) ? undefined : after)
  }
}

/**
 * The message that a house sent, once it is known to be the house's; throws `Forged`.
 *
 * `secret` is what `pacte webhooks secret` says (`whsec_…`), `headers` a `Headers` or an object of lower-case names,
 * `body` the text as it came. Source: Standard Webhooks 1.0.
 */
export async function readWebhook(secret, headers, body, now = Date.now()) {
  const said = (name) => (typeof headers.get === "function" ? headers.get(name) : headers[name]) ?? ""
  const stamp = said("webhook-timestamp")
  if (!/^\d+$/.test(stamp) || Math.abs(now / 1000 - Number(stamp)) > 300) throw new Forged("the message is too old")
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))
  const algorithm = { name: "HMAC", hash: "SHA-256" }
  const key = await crypto.subtle.importKey("raw", bytes(secret.replace(/^whsec_/, "")), algorithm, false, ["verify"])
  const signed = new TextEncoder().encode(`${said("webhook-id")}.${stamp}.${body}`)
  for (const one of said("webhook-signature").split(" ")) {
    if (one.startsWith("v1,") && (await crypto.subtle.verify("HMAC", key, bytes(one.slice(3)), signed))) {
      return JSON.parse(body)
    }
  }
  throw new Forged("the message is not the house's, or was changed on its way")
}
