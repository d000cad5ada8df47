"use strict";

// News of the server, market prices, and a plain word when the session is gone.

const POLL_EVERY_MS = 3000;

const byId = (id) => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// ---- notices ----

function notify(kind, title, detail, action) {
  const notice = byId("notice");
  if (notice.dataset.title === title) return;
  const words = element("p");
  words.append(element("strong", "", title), " ", detail);
  notice.replaceChildren(words, ...(action ? [action] : []));
  notice.className = `notice ${kind}`;
  notice.dataset.title = title;
  notice.hidden = false;
}

function clearNotice() {
  const notice = byId("notice");
  notice.hidden = true;
  delete notice.dataset.title;
}

function sessionEnded(problem) {
  const again = element("a", "button", "Sign in again");
  again.href = "/login";
  notify(
    "ended",
    problem.title || "Your session has ended",
    problem.detail || "What you have typed is still on this page, and is not sent.",
    again,
  );
}

// ---- polling ----

async function poll() {
  let answer;
  try {
    answer = await fetch("/api/poll", {
      headers: { Accept: "application/json" },
      cache: "no-store",
      redirect: "manual",
    });
  } catch {
    notify("trouble", "No connection", "Trying again every few seconds.");
    return true;
  }
  if (answer.status === 401 || answer.type === "opaqueredirect") {
    sessionEnded(await answer.json().catch(() => ({})));
    return false;
  }
  if (!answer.ok) {
    notify("trouble", `The server answers ${answer.status}`, "Trying again every few seconds.");
    return true;
  }
  clearNotice();
  showNews(await answer.json());
  return true;
}

function showNews({ pending, latest }) {
  byId("pending").textContent = pending;
  const news = byId("news");
  if (news) news.hidden = latest <= Number(document.body.dataset.latest);
}

async function keepPolling() {
  if (await poll()) setTimeout(keepPolling, POLL_EVERY_MS);
}

// ---- prices ----

const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

function showPrices({ quotes }) {
  byId("quotes").replaceChildren(
    ...quotes.map(({ name, unit, cents, moved }) => {
      const quote = element("li");
      const sign = moved < 0 ? "−" : "+";
      const change = element("span", moved < 0 ? "down" : "up", sign + money.format(Math.abs(moved) / 100));
      quote.append(
        element("span", "name", name),
        element("span", "value", money.format(cents / 100)),
        element("span", "unit", unit),
        change,
      );
      return quote;
    }),
  );
}

function showFeed(state, words) {
  const feed = byId("feed");
  feed.dataset.state = state;
  feed.querySelector("[role=status]").textContent = words;
  feed.querySelector("button").hidden = state !== "closed";
}

function openFeed() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws`);
  showFeed("waiting", "Connecting");
  socket.onopen = () => showFeed("live", "Live");
  socket.onmessage = ({ data }) => showPrices(JSON.parse(data));
  socket.onclose = ({ code, reason }) =>
    showFeed("closed", `Closed: ${code}${reason ? ` ${reason}` : ""}`);
}

// ---- this page ----

for (const button of document.querySelectorAll("[data-account]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const form = document.querySelector("form");
    form.username.value = form.password.value = button.dataset.account;
    form.requestSubmit();
  });
}

if (byId("notice")) {
  keepPolling();
  byId("feed").querySelector("button").addEventListener("click", openFeed);
  openFeed();
}
