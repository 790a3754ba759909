// What went wrong with one picture or one request: RFC 9457, as the gateway answers it.

export class Problem extends Error {
  constructor(code, detail, { status = 0, retryAfter = null } = {}) {
    super(detail);
    this.code = code;
    this.detail = detail;
    this.status = status;
    this.retryAfter = retryAfter; // seconds, or null where the gateway named none
  }

  // Whether a key is missing, unknown or not enough.
  get wantsKey() {
    return this.status === 401 || this.code === "scope-refused";
  }

  // Whether the gateway has too much to do: the same picture will do later.
  get busy() {
    return this.status === 429 || this.code === "server-overloaded";
  }

  // Whether the gateway, or what stands behind it, is away.
  get away() {
    return this.status === 0 || [502, 503, 504].includes(this.status);
  }

  // From an answer; whatever is no problem+json (a proxy's error page) is not shown.
  static ofAnswer(status, contentType, text, retryAfter) {
    const wait = seconds(retryAfter);
    if ((contentType ?? "").startsWith("application/problem+json")) {
      try {
        const { code, detail } = JSON.parse(text);
        if (typeof code === "string" && typeof detail === "string") {
          return new Problem(code, detail, { status, retryAfter: wait });
        }
      } catch {
        // Cut short on its way: as good as no explanation.
      }
    }
    const detail = `The gateway, or something before it, answered ${status} without saying why.`;
    return new Problem("unexplained", detail, { status, retryAfter: wait });
  }

  static unreachable() {
    const detail = "The gateway did not answer. Is this device still connected?";
    return new Problem("unreachable", detail);
  }
}

// Retry-After is either seconds or a date (RFC 9110, section 10.2.3).
export function seconds(retryAfter, now = Date.now()) {
  if (!retryAfter) return null;
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter);
  const date = Date.parse(retryAfter);
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - now) / 1000));
}
