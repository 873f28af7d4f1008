/** The scheduler sleeps until the next instant it knows: a retry may come before. */
import type { Notifier } from "../store/notify.ts";
import type { EndConsumer } from "./run-ends.ts";

export const wakeScheduler = (notifier: Notifier): EndConsumer => ({
  name: "wake the scheduler",
  final: null,
  dead: null,
  scheduled: () => notifier.notify("bellhop_schedule"),
  givenBack: null,
});
