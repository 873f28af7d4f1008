/** Where one can go: the menu's groups, and the palette's. */
import { may } from "../data/may.ts";

export interface Place {
  name: string;
  to: string;
  isFor?: "admin" | "operator";
}

const GROUPS: readonly { title: string; places: readonly Place[] }[] = [
  {
    title: "Work",
    places: [
      { name: "Overview", to: "/" },
      { name: "Functions", to: "/functions" },
      { name: "Tasks", to: "/tasks" },
      { name: "Runs", to: "/runs" },
    ],
  },
  {
    title: "Mend",
    places: [
      { name: "Errors", to: "/errors" },
      { name: "Dead letters", to: "/dead-letters" },
      { name: "Bulk actions", to: "/bulk" },
    ],
  },
  {
    title: "Run",
    places: [
      { name: "Queues", to: "/queues" },
      { name: "Workers", to: "/workers", isFor: "operator" },
      { name: "Mailbox", to: "/mailbox" },
    ],
  },
  {
    title: "Manage",
    places: [
      { name: "Secrets", to: "/secrets" },
      { name: "Keys", to: "/keys", isFor: "admin" },
      { name: "Audit log", to: "/audit", isFor: "admin" },
      { name: "Usage", to: "/usage" },
    ],
  },
];

export const groupsForCaller = () =>
  GROUPS.map(({ title, places }) => ({
    title,
    places: places.filter(({ isFor }) => isFor === undefined || may(isFor)),
  }));
