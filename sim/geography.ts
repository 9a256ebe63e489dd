/**
 * Where the nodes of a network stand, and how long a message takes between them: the one table for everything simulated.
 *
 * One way takes the great-circle distance at two thirds of the speed of light (light in glass), times a route factor,
 * and a fixed hop at the ends. Cables follow coasts and cities: routes measured between these places lie near one and a
 * half times the great circle.
 */
import { assert } from '../protocol/types.js';

export interface Place {
  /** ISO 3166 of the jurisdiction. */
  readonly code: string;
  readonly city: string;
  /** Degrees, north and east positive. */
  readonly latitude: number;
  readonly longitude: number;
}

export const PLACES = [
  { code: 'HK', city: 'Hong Kong', latitude: 22.32, longitude: 114.17 },
  { code: 'CN', city: 'Beijing', latitude: 39.9, longitude: 116.41 },
  { code: 'TH', city: 'Bangkok', latitude: 13.76, longitude: 100.5 },
  { code: 'AE', city: 'Abu Dhabi', latitude: 24.45, longitude: 54.38 },
  { code: 'SA', city: 'Riyadh', latitude: 24.71, longitude: 46.68 },
  { code: 'SG', city: 'Singapore', latitude: 1.35, longitude: 103.82 },
  { code: 'DE', city: 'Frankfurt', latitude: 50.11, longitude: 8.68 },
  { code: 'GB', city: 'London', latitude: 51.51, longitude: -0.13 },
  { code: 'US', city: 'New York', latitude: 40.71, longitude: -74.01 },
] as const satisfies readonly Place[];

export type PlaceCode = (typeof PLACES)[number]['code'];

const EARTH_RADIUS_KM = 6371;
/** 299,792.458 km/s, two thirds of it, in kilometres per millisecond. */
const GLASS_KM_PER_MS = (299_792.458 * 2) / 3 / 1000;
const ROUTE_FACTOR = 1.5;
/** Access lines and routers at both ends, and what a message takes within a city. */
const HOP_MS = 0.5;

/** The great-circle distance by the haversine formula on a sphere, in kilometres. */
export function distanceKm(a: Place, b: Place): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const half = (from: number, to: number): number => Math.sin(radians(to - from) / 2) ** 2;
  const haversine =
    half(a.latitude, b.latitude) +
    Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * half(a.longitude, b.longitude);
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(haversine));
}

/** Rounded to whole microseconds, once: a machine whose sine differs in the last bit has the same table. */
const MICROSECONDS: ReadonlyMap<string, number> = new Map(
  PLACES.flatMap((a) =>
    PLACES.map((b) => {
      const wayMs = (distanceKm(a, b) / GLASS_KM_PER_MS) * ROUTE_FACTOR + HOP_MS;
      return [`${a.code}>${b.code}`, Math.round(wayMs * 1000)] as const;
    }),
  ),
);

/** One way from place to place in milliseconds, to the microsecond; the same in both directions. */
export function latencyMs(from: PlaceCode, to: PlaceCode): number {
  const microseconds = MICROSECONDS.get(`${from}>${to}`);
  assert(microseconds !== undefined, `a place of the table: ${from}, ${to}`);
  return microseconds / 1000;
}
