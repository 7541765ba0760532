/**
 * The service worker: shows a push when the page is closed, and opens what it is about when it is tapped.
 * It caches nothing and answers no request of the page: an old board must never be taken for the present.
 *
 * A message is JSON (monitor/adapters/webpush.py): title, body, kind, incident, key, at (milliseconds), to, link.
 */
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  const told = event.data ? event.data.json() : {};
  const shown = self.registration.showNotification(told.title || "望楼 Wanglou", {
    body: told.body || "",
    icon: "/icon.svg",
    // The newest of an incident takes the place of what was said of it before, and sounds again.
    tag: told.incident || "wanglou",
    renotify: true,
    requireInteraction: told.kind === "FIRE",
    timestamp: told.at,
    data: { link: told.link || "", incident: told.incident || "" },
  });
  event.waitUntil(shown);
});

async function open({ link, incident }) {
  if (link) return self.clients.openWindow(link);
  const address = incident ? `/#/incidents/${encodeURIComponent(incident)}` : "/";
  const [page] = await self.clients.matchAll({ type: "window" });
  if (!page) return self.clients.openWindow(address);
  await page.navigate(address);
  return page.focus();
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data));
});
