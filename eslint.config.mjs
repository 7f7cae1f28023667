import tseslint from "typescript-eslint";

/** What each folder may import; type-only imports count. The same table is in ARCHITECTURE.md. */
const MAY_IMPORT = {
  shared: [],
  kernels: ["shared"],
  core: ["shared"],
  formats: ["shared", "core"],
  layout: ["shared", "core"],
  analyzers: ["shared", "core", "kernels"],
  transforms: ["shared", "core", "kernels"],
  data: ["shared", "core", "kernels"],
  client: ["shared"],
  providers: ["shared", "client"],
};

export default tseslint.config(
  {
    ignores: [
      "dist",
      "out",
      "node_modules",
      "test/workbench/node_modules",
      "src/formats/onnx_pb.ts",
      "src/kernels/assembly",
      "**/*.mjs",
      "src/shared/platform.d.ts",
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { project: ["./tsconfig.json", "./tsconfig.web.json"] } },
    rules: {
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      // The house writes `x === true` for optional flags and names types for clarity.
      "@typescript-eslint/no-unnecessary-boolean-literal-compare": "off",
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-invalid-void-type": "off",
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-empty-function": "off",
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      "@typescript-eslint/prefer-promise-reject-errors": "off",
      // Failures are LatheErrors; `error` caught as unknown is rethrown as it came.
      "@typescript-eslint/only-throw-error": "off",
      // Strings split here are ASCII (einsum letters, digits).
      "@typescript-eslint/no-misused-spread": "off",
      "@typescript-eslint/no-base-to-string": "off",
      // `K extends keyof Queries & string` keeps symbol keys out of method names.
      "@typescript-eslint/no-redundant-type-constituents": "off",
      eqeqeq: "error",
    },
  },
  {
    files: ["test/**", "bench/**", "examples/**"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-floating-promises": "off",
      "@typescript-eslint/explicit-module-boundary-types": "off",
    },
  },
  ...Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
    files: [`src/${folder}/**/*.ts`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: `^(\\.\\./)+(${["shared", "kernels", "core", "formats", "layout", "analyzers", "transforms", "data", "engine", "client", "providers", "cli"].filter((f) => f !== folder && !allowed.includes(f)).join("|")})(/|\\.ts)`,
              message: `src/${folder} may import only: ${[folder, ...allowed].join(", ")}.`,
            },
          ],
        },
      ],
    },
  })),
);
