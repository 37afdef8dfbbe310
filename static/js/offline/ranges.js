/* Parts of a song that is kept whole, as the server would answer them: an audio element asks for nothing else.
 *
 * Source: RFC 9110, section 14.
 */

/**
 * Answers a request for a part, or for all where the header asks for no part that there is one of.
 * @param {Response} whole
 * @param {string | null} header the Range header
 * @returns {Promise<Response>} 206, 416, or the whole
 */
export async function answerRange(whole, header) {
  const asked = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "");
  const isNone = !asked || (!asked[1] && !asked[2]) || (asked[1] && asked[2] && Number(asked[2]) < Number(asked[1]));
  if (isNone) return whole;
  const body = await whole.blob();
  const { size } = body;
  const headers = new Headers(whole.headers);
  // Without a first byte it asks for so many at the end.
  const first = asked[1] ? Number(asked[1]) : Math.max(0, size - Number(asked[2]));
  const last = asked[1] && asked[2] ? Math.min(Number(asked[2]), size - 1) : size - 1;
  if (first > last) {
    headers.set("Content-Range", `bytes */${size}`);
    headers.set("Content-Length", "0");
    return new Response(null, { status: 416, headers });
  }
  headers.set("Content-Range", `bytes ${first}-${last}/${size}`);
  headers.set("Content-Length", String(last - first + 1));
  return new Response(body.slice(first, last + 1, body.type), { status: 206, headers });
}
