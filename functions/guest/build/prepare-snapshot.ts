/** Makes the guest's snapshot ahead of the first start and tells its path: for images, whose files nobody changes later. */
import { guestSnapshotPath } from "./guest-snapshot.ts";

process.stdout.write(`${guestSnapshotPath()}\n`);
