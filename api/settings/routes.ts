/** `/v1/settings`: what holds for all of a namespace. */
import { settingsInput, settingsOutput } from "../../core/contracts/settings.ts";
import { findSettings, holdSettings, putSettings } from "../../core/store/settings.ts";
import { requireCallable } from "../callbacks/require-callable.ts";
import type { Entity } from "../http/entity.ts";
import { defineRoute, type Feature } from "../http/route.ts";

const settingsEntity: Entity = {
  leaves: [],
  lock: holdSettings,
  read: ({ store }, namespaceId) => findSettings(store, namespaceId),
};

export const settingsFeature: Feature = {
  tag: "Settings",
  description: "Settings of a whole namespace.",
  routes: [
    defineRoute({
      method: "GET",
      path: "/v1/settings",
      operationId: "getSettings",
      summary: "Get the namespace's settings",
      access: "read",
      entity: settingsEntity,
      answers: { 200: { is: "All settings.", schema: settingsOutput } },
      async handle({ parts: { store }, owner: { namespaceId } }) {
        return { status: 200, body: await findSettings(store, namespaceId) };
      },
    }),

    defineRoute({
      method: "PUT",
      path: "/v1/settings",
      operationId: "putSettings",
      summary: "Set the namespace's settings",
      description: "Replaces all settings: each must be given, null to remove it.",
      access: "admin",
      audit: {
        resource: "settings",
        read: ({ parts: { store }, owner: { namespaceId } }) => findSettings(store, namespaceId),
      },
      body: { schema: settingsInput },
      entity: settingsEntity,
      mayBeMinimal: true,
      answers: { 200: { is: "The settings, as changed.", schema: settingsOutput } },
      errors: { 422: ["unknown_function"] },
      async handle({ parts: { store, mail }, owner: { namespaceId }, body }) {
        await requireCallable(store, namespaceId, body.on, mail);
        await putSettings(store, namespaceId, body);
        return { status: 200, body };
      },
    }),
  ],
};
