// Every problem's code in plain words, for people who never heard of HTTP.

const HEADINGS = {
  // what is wrong with the picture
  "empty-image": "This file is empty",
  "unsupported-format": "This file cannot be read as a photograph",
  "broken-image": "This photograph is damaged",
  "too-many-pixels": "This photograph has too many pixels",
  "image-too-large": "This file is too big",
  "unreadable-image": "This file cannot be opened",
  "image-error": "This photograph cannot be used",
  "invalid-form": "The photograph did not arrive as it should",
  "invalid-parameters": "The gateway did not understand the page",
  // what is wrong with the way there
  "body-too-slow": "The connection is too slow for this photograph",
  unreachable: "The gateway cannot be reached",
  unexplained: "Something between here and the gateway failed",
  "rate-limited": "The gateway asks for a pause",
  "server-overloaded": "The gateway has too much to do",
  "server-unavailable": "Recognition is away at the moment",
  "server-error": "Recognition failed",
  "deadline-exceeded": "Recognition took too long",
  "not-ready": "Recognition is not ready yet",
  "shutting-down": "The gateway is being stopped",
  "queue-unavailable": "The gateway cannot store anything at the moment",
  "internal-error": "Something went wrong inside the gateway",
  // who may
  "key-refused": "The gateway asks for a key",
  "scope-refused": "This key is not for photographs",
  "cross-site-request": "The gateway only takes photographs from its own page",
  "misdirected-request": "The gateway is not called by this name",
  "malformed-request": "The gateway did not understand the page",
  "not-found": "The gateway does not know this address",
  "method-not-allowed": "The gateway does not understand the page",
};

export function heading(code) {
  return HEADINGS[code] ?? "This photograph could not be recognised";
}
