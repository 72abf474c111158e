// Asks routes of this server what is new, once for all parts of the page that show the same answer, and with the tag of
// the last answer, so that "nothing" is a few bytes. The parts of a page share the polls through `window`.

const ANSWER_TIMEOUT_MS = 15000;
const AGAIN_AFTER_FAILURE_MS = 3000;
const AGAIN_AFTER_REFUSAL_MS = 30000;
// A server that has many to answer, or that trains, takes longer to answer and is asked up to half as often.
const REST_PER_ANSWER = 12;
const LONGEST_REST = 2;
const LEFT_AFTER_MS = 1000;
const polls = (window.palimpsestPolls ??= new Map());

// Calls take({ answer, trouble, isGone }) after every look at `address` until the function that it returns is called. A
// tab that nobody looks at asks nothing, unless it is for what is read there too.
function follow(address, take, inHiddenTabs = false) {
  if (!polls.has(address)) polls.set(address, startPoll(address, inHiddenTabs));
  const poll = polls.get(address);
  poll.takers.add(take);
  if (poll.last) take(poll.last);
  return () => {
    poll.takers.delete(take);
    // A part that is drawn again follows again at once.
    setTimeout(() => { if (!poll.takers.size) endPoll(poll); }, LEFT_AFTER_MS);
  };
}

function startPoll(address, inHiddenTabs) {
  const poll = { address, inHiddenTabs, takers: new Set(), tag: null, answer: null, last: null, timer: 0, ended: false };
  poll.look = () => look(poll);
  poll.look();
  return poll;
}

function endPoll(poll) {
  poll.ended = true;
  clearTimeout(poll.timer);
  document.removeEventListener("visibilitychange", poll.look);
  if (polls.get(poll.address) === poll) polls.delete(poll.address);
}

async function look(poll) {
  clearTimeout(poll.timer);
  if (poll.ended) return;
  if (document.hidden && !poll.inHiddenTabs) {
    document.addEventListener("visibilitychange", poll.look, { once: true });
    return;
  }
  const began = performance.now();
  const found = await ask(poll);
  if (poll.ended) return;
  if (found.usual) {
    const took = performance.now() - began;
    found.wait = Math.min(LONGEST_REST * found.usual, Math.max(found.usual, REST_PER_ANSWER * took));
  }
  poll.last = { answer: poll.answer, trouble: found.trouble ?? "", isGone: found.isGone ?? false };
  for (const take of [...poll.takers]) take(poll.last);
  poll.timer = setTimeout(poll.look, found.wait);
}

async function ask(poll) {
  try {
    // Beside the page, whatever the server's address begins with. Of what the last answer rests on, only news is sent.
    const url = new URL(poll.address, document.baseURI);
    if (poll.answer?.base) url.searchParams.set("base", poll.answer.base);
    const response = await fetch(url, {
      headers: poll.tag ? { "If-None-Match": poll.tag } : {},
      cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    const usual = 1000 * Number(response.headers.get("Palimpsest-Look-Again") ?? 1);
    if (response.status === 304) return { usual };
    if (response.ok) {
      const answer = await response.json();
      const same = answer.base && answer.base === poll.answer?.base;
      poll.answer = same ? { ...poll.answer, ...answer } : answer;
      poll.tag = response.headers.get("ETag");
      return { usual };
    }
    const refusal = await response.json().catch(() => ({}));
    const trouble = refusal.error ?? `The server answered ${response.status}.`;
    const isGone = response.status === 404;
    return { trouble, isGone, wait: response.status >= 500 ? AGAIN_AFTER_FAILURE_MS : AGAIN_AFTER_REFUSAL_MS };
  } catch {
    return { trouble: "The server does not answer. This goes on by itself once it does.", wait: AGAIN_AFTER_FAILURE_MS };
  }
}

