// The gateway's HTTP interface; every failure is a Problem, a cancelled call an AbortError.

import { Problem } from "./problem.js";

// A connection that shows no sign of life for so long is given up: at sea they end without a word.
const SILENCE_S = 90;

// Below wherever the page is, so that a proxy may put it under a path of its own.
const at = (path) => new URL(path, document.baseURI).href;

export class Gateway {
  constructor(key) {
    this.key = key;
  }

  // The release that answers, as JSON.
  async release() {
    const answer = await this.#ask("v1/release", { cache: "no-cache" });
    return answer.json();
  }

  // The photograph as the gateway draws it, for what this browser cannot show: a JPEG.
  async drawn(file, signal) {
    const options = { method: "POST", body: file, signal };
    const answer = await this.#ask("v1/classify?overlay=true", options);
    return answer.blob();
  }

  // Null where pictures can be recognised, else a Problem.
  async ready() {
    try {
      await this.#ask("readyz");
    } catch (problem) {
      return problem;
    }
    return null;
  }

  // Null where `headers` carry a good key, else a Problem. No picture is sent for it.
  async refuses(headers) {
    try {
      await this.#ask("v1/classify", { method: "POST", headers });
    } catch (problem) {
      // Whoever is told that there is no picture was let in.
      return problem.code === "empty-image" ? null : problem;
    }
    return null;
  }

  // The result for one file. XMLHttpRequest, because fetch tells nothing of an upload's progress.
  recognise(file, { signal, onProgress, onSent }) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", at("v1/classify"));
      for (const [name, value] of Object.entries(this.key.headers)) {
        request.setRequestHeader(name, value);
      }
      request.setRequestHeader("Content-Type", "application/octet-stream");
      let silence = null;
      let silent = false;
      const alive = () => {
        clearTimeout(silence);
        silence = setTimeout(() => {
          silent = true;
          request.abort();
        }, SILENCE_S * 1000);
      };
      alive();
      request.upload.onprogress = (event) => {
        alive();
        onProgress(event.loaded / event.total);
      };
      request.upload.onload = () => {
        alive();
        onSent();
      };
      request.onloadend = () => clearTimeout(silence);
      request.onload = () => {
        try {
          resolve(read(request));
        } catch (problem) {
          reject(problem);
        }
      };
      request.onerror = () => reject(Problem.unreachable());
      request.onabort = () =>
        reject(silent ? Problem.unreachable() : new DOMException("cancelled", "AbortError"));
      signal.addEventListener("abort", () => request.abort(), { once: true });
      request.send(file);
    });
  }

  async #ask(path, options = {}) {
    const headers = options.headers ?? this.key.headers;
    let answer;
    try {
      answer = await fetch(at(path), { redirect: "error", ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw Problem.unreachable();
    }
    if (answer.ok) return answer;
    const kind = answer.headers.get("Content-Type");
    const wait = answer.headers.get("Retry-After");
    throw Problem.ofAnswer(answer.status, kind, await answer.text(), wait);
  }
}

function read(request) {
  const kind = request.getResponseHeader("Content-Type");
  if (request.status === 200 && kind?.startsWith("application/json")) {
    try {
      return JSON.parse(request.responseText);
    } catch {
      // Not from our gateway; told as unexplained below.
    }
  }
  const wait = request.getResponseHeader("Retry-After");
  throw Problem.ofAnswer(request.status, kind, request.responseText, wait);
}
