# Two stages: the first has what building takes, the second only what running takes.
FROM node:22-alpine AS build
WORKDIR /parley
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY prisma prisma
COPY prisma.config.ts tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM node:22-alpine
WORKDIR /parley
ENV NODE_ENV=production HOST=0.0.0.0
COPY package.json package-lock.json .npmrc ./
# Optional packages are the embedded PostgreSQL, which a container has no use for.
RUN npm ci --omit=dev --omit=optional && npm cache clean --force
COPY prisma prisma
COPY --from=build /parley/dist dist
USER node
EXPOSE 4000
CMD ["node", "dist/main.js"]
