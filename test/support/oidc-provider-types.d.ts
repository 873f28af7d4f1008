/** As much of its interface as test/support/oidc-provider.ts uses; the package brings no types along. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  interface Grant {
    addOIDCScope(scope: string): void;
    save(): Promise<string>;
  }
  interface GrantContext {
    oidc: {
      client: { clientId: string };
      session: { accountId: string };
      provider: Provider;
    };
  }
  interface Account {
    accountId: string;
    claims(): Record<string, unknown>;
  }
  export default class Provider {
    constructor(
      issuer: string,
      configuration: {
        clients: object[];
        jwks: { keys: object[] };
        scopes: string[];
        claims: Record<string, string[]>;
        conformIdTokenClaims: boolean;
        pkce: { required(): boolean };
        ttl: Record<string, number>;
        cookies: { keys: string[] };
        features: { devInteractions: { enabled: boolean } };
        interactions: { url(context: unknown, interaction: { uid: string }): string };
        findAccount(context: unknown, id: string): Account;
        loadExistingGrant(context: GrantContext): Promise<Grant>;
      },
    );
    readonly Grant: new (of: {
      clientId: string;
      accountId: string;
    }) => Grant;
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: object,
      options: { mergeWithLastSubmission: boolean },
    ): Promise<void>;
  }
}
