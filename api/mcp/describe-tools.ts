/** Tools as clients see them, made of the routes of their operations: one schema of arguments, and where each belongs. */
import { z } from "zod";
import { type Feature, isIdempotent, type Route } from "../http/route.ts";
import { IDEMPOTENCY_KEY } from "../openapi/headers.ts";
import { compactSchema } from "./compact-schema.ts";
import { mergeOptions, type ObjectSchema, type Schema } from "./merge-options.ts";
import { TOOLS, type Tool } from "./tools.ts";

export const IDEMPOTENCY_ARGUMENT = "idempotencyKey";

export interface DescribedTool {
  tool: Tool;
  route: Route;
  /** What `tools/list` says of it. */
  shown: {
    name: string;
    title: string;
    description: string;
    inputSchema: ObjectSchema;
    annotations: {
      title: string;
      readOnlyHint: boolean;
      destructiveHint: boolean;
      idempotentHint: boolean;
      openWorldHint: boolean;
    };
  };
}

/** By their names, in the order of the table. */
export function describeTools(features: readonly Feature[]): Map<string, DescribedTool> {
  const routes = new Map(
    features.flatMap((feature) => feature.routes).map((route) => [route.operationId, route]),
  );
  return new Map(
    TOOLS.map((tool) => {
      const route = routes.get(tool.operationId);
      if (!route) throw new Error(`${tool.name} asks ${tool.operationId}, which is no operation`);
      return [tool.name, describeTool(tool, route)];
    }),
  );
}

function describeTool(tool: Tool, route: Route): DescribedTool {
  const { name, title, description } = tool;
  const isReadOnly = route.access === "read" || route.access === "any";
  const scope = route.access === "any" ? "Any key will do." : `Needs a key with the scope ${route.access}.`;
  return {
    ...{ tool, route },
    shown: {
      ...{ name, title, description: `${description} ${scope}`, inputSchema: describeInput(tool, route) },
      annotations: {
        title,
        readOnlyHint: isReadOnly,
        destructiveHint: tool.isDestructive ?? false,
        idempotentHint: isReadOnly || (tool.isIdempotent ?? false),
        openWorldHint: tool.reachesOutside ?? false,
      },
    },
  };
}

/** Path, query and body are one set of arguments. */
function describeInput(tool: Tool, route: Route): ObjectSchema {
  const path = describeFields(z.object(route.params ?? {}));
  const query = describeFields(route.query ?? z.object({}));
  const body = describeBody(tool, route);
  const properties = { ...path.properties, ...query.properties, ...body.properties };
  for (const name of tool.without ?? []) delete properties[name];
  const total = [path, query, body].reduce((sum, part) => sum + Object.keys(part.properties).length, 0);
  if (total !== Object.keys(properties).length + (tool.without?.length ?? 0))
    throw new Error(`${tool.name} has an argument that stands for two things, or lacks one of "without"`);
  if (isIdempotent(route)) properties[IDEMPOTENCY_ARGUMENT] = describe(IDEMPOTENCY_KEY);
  const required = [...(path.required ?? []), ...(query.required ?? []), ...(body.required ?? [])];
  return {
    type: "object",
    properties,
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
    ...(body.examples && !tool.bodyAs ? { examples: body.examples } : {}),
  };
}

export const bodySchemaOf = ({ body, ownBody }: Route): z.ZodType | undefined =>
  body?.schema ?? ownBody?.content["application/json"];

function describeBody({ bodyAs }: Tool, route: Route): ObjectSchema {
  const schema = bodySchemaOf(route);
  if (!schema) return { type: "object", properties: {} };
  if (bodyAs === undefined) return describeFields(schema);
  const isNeeded = !(route.body ?? route.ownBody)?.isOptional;
  return {
    type: "object",
    properties: { [bodyAs]: describe(schema) },
    ...(isNeeded ? { required: [bodyAs] } : {}),
  };
}

function describeFields(schema: z.ZodType): ObjectSchema {
  const described = describe(schema);
  const options = described.oneOf ?? described.anyOf;
  if (!options) return described as ObjectSchema;
  const { examples = [] } = described;
  return { ...mergeOptions(options as ObjectSchema[]), examples };
}

function describe(schema: z.ZodType): Schema {
  const { $schema: _dialect, ...described } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override({ jsonSchema }) {
      delete jsonSchema.propertyNames;
    },
  });
  return compactSchema(described);
}
