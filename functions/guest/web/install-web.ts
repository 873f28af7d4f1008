/** The web platform's API on the global object. To be called once, while the snapshot is made. */
import { installAbort } from "./abort.ts";
import { installBase64 } from "./base64.ts";
import { installBlob, withdrawAllBlobs } from "./blob.ts";
import { installByteTexts } from "./byte-texts.ts";
import { installCaches } from "./cache.ts";
import { installCompression } from "./compression.ts";
import { installCrypto } from "./crypto.ts";
import { receiveCrypto, resetCrypto } from "./crypto-bridge.ts";
import { installDomException } from "./dom-exception.ts";
import { installEncoding } from "./encoding.ts";
import { installEventTarget } from "./event-target.ts";
import { installEvents } from "./events.ts";
import { receiveExchanges, resetExchanges } from "./exchanges.ts";
import { installFetch } from "./fetch.ts";
import { installFileReader } from "./file-reader.ts";
import { installFixedLengthStream } from "./fixed-length-stream.ts";
import { installFormData } from "./form-data.ts";
import { installHeaders } from "./headers.ts";
import { installMessaging } from "./messaging.ts";
import { installNavigator } from "./navigator.ts";
import { installPerformance, resetPerformance } from "./performance.ts";
import { makeUuid } from "./random.ts";
import { installRequest } from "./request.ts";
import { installResponse } from "./response.ts";
import { installScheduler } from "./scheduler.ts";
import { installStreams } from "./streams.ts";
import { installStructuredClone } from "./structured-clone.ts";
import { installStreamTransfer } from "./transfer-streams.ts";
import { installUrl } from "./url.ts";
import { installUrlPattern } from "./url-pattern.ts";
import { installWebSocket } from "./web-socket.ts";

export function installWeb(): void {
  installDomException();
  installEvents();
  installEventTarget();
  installAbort();
  installStreams();
  installEncoding();
  installBase64();
  installByteTexts();
  installBlob();
  installFileReader();
  installUrl(makeUuid);
  installUrlPattern();
  installStructuredClone();
  installStreamTransfer();
  installMessaging();
  installHeaders();
  installFormData();
  installRequest();
  installResponse();
  installFetch();
  installCompression();
  installCrypto();
  installPerformance();
  installNavigator();
  installCaches();
  installFixedLengthStream();
  installScheduler();
  installWebSocket();
  receiveExchanges();
  receiveCrypto();
}

/** Ends what a run left open; to be called when it is over. */
export function resetWeb(): void {
  resetExchanges();
  resetCrypto();
  resetPerformance();
  withdrawAllBlobs();
}
