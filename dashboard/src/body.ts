// A message's body as people can read it: JSON laid out, text, or bytes in hexadecimal.

export interface Body {
  kind: "JSON" | "text" | "bytes" | "empty";
  text: string;
  size: number;
}

const HEX_ROWS = 64;

function fromBase64(text: string): Uint8Array {
  const raw = atob(text);
  return Uint8Array.from(raw, (mark) => mark.charCodeAt(0));
}

function hex(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length && rows.length < HEX_ROWS; at += 16) {
    const part = [...bytes.subarray(at, at + 16)];
    const codes = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const marks = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    rows.push(`${at.toString(16).padStart(6, "0")}  ${codes.padEnd(47)}  ${marks}`);
  }
  if (bytes.length > HEX_ROWS * 16) rows.push(`… ${bytes.length - HEX_ROWS * 16} bytes more`);
  return rows.join("\n");
}

/** Lay a JSON text out by its own characters, so that numbers beyond 2^53 and the order of members stay as they are. */
export function layOut(text: string): string {
  JSON.parse(text); // raises when it is none
  let out = "";
  let depth = 0;
  const line = (): string => `\n${"  ".repeat(depth)}`;
  for (const token of text.match(/"(?:[^"\\]|\\.)*"|[^\s"{}[\],:]+|[{}[\],:]/g) ?? []) {
    const opens = out.endsWith("{") || out.endsWith("[");
    if (token === "{" || token === "[") {
      if (opens) out += line();
      out += token;
      depth += 1;
    } else if (token === "}" || token === "]") {
      depth -= 1;
      out += opens ? token : line() + token;
    } else if (token === ",") out += token + line();
    else if (token === ":") out += ": ";
    else out += opens ? line() + token : token;
  }
  return out;
}

/** Read the body of a message: `text`, or `data` in base64. */
export function readBody({ text, data }: { text?: string; data?: string }): Body {
  if (data) {
    const raw = fromBase64(data);
    return { kind: "bytes", text: hex(raw), size: raw.length };
  }
  if (!text) return { kind: "empty", text: "", size: 0 };
  const size = new TextEncoder().encode(text).length;
  try {
    return { kind: "JSON", text: layOut(text), size };
  } catch {
    return { kind: "text", text, size };
  }
}
