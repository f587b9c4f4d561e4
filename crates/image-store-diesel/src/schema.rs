//! The tables, the same on both kinds of database. Their columns: `/migrations/README.md`.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    #[sql_name = "etiqueta_original"]
    original (id) {
        id -> BigInt,
        digest -> Binary,
        media_type -> Text,
        width -> BigInt,
        height -> BigInt,
        byte_size -> BigInt,
        claimed_until -> Nullable<BigInt>,
        removing_until -> Nullable<BigInt>,
        damaged_at -> Nullable<BigInt>,
        fence -> BigInt,
        revision -> BigInt,
    }
}

table! {
    #[sql_name = "etiqueta_image"]
    image (id) {
        id -> Binary,
        original_id -> BigInt,
        registered_at -> BigInt,
        min_confidence -> Nullable<Double>,
        provider -> Nullable<Text>,
        file_name -> Nullable<Text>,
        taken_at -> Nullable<BigInt>,
        registered_local -> Nullable<BigInt>,
        camera -> Nullable<Text>,
        latitude -> Nullable<Double>,
        longitude -> Nullable<Double>,
        tags_version -> BigInt,
        provider_version -> Nullable<Text>,
        job_number -> Nullable<BigInt>,
        import_key -> Nullable<Binary>,
        import_path -> Nullable<Text>,
        taggers -> Nullable<Text>,
    }
}

table! {
    #[sql_name = "etiqueta_database"]
    database (id) {
        id -> Integer,
        uuid -> Binary,
    }
}

table! {
    #[sql_name = "etiqueta_label"]
    label (id) {
        id -> Integer,
        name -> Text,
    }
}

table! {
    #[sql_name = "etiqueta_image_tag"]
    image_tag (image_id, label_id) {
        image_id -> Binary,
        label_id -> Integer,
        registered_at -> BigInt,
        confidence -> Double,
    }
}

table! {
    #[sql_name = "etiqueta_tag_source"]
    tag_source (image_id, number) {
        image_id -> Binary,
        number -> Integer,
        label_id -> Integer,
        source -> Integer,
        provider -> Nullable<Binary>,
        version -> Nullable<Binary>,
        confidence -> Double,
        is_shown -> Integer,
    }
}

table! {
    #[sql_name = "etiqueta_tagging"]
    tagging (id) {
        id -> BigInt,
        digest -> Binary,
        provider -> Binary,
        version -> Binary,
        language -> Binary,
        max_side -> BigInt,
        tagged_at -> BigInt,
        tags -> Binary,
    }
}

table! {
    #[sql_name = "etiqueta_summary_segment"]
    summary_segment (level, from_time) {
        level -> Integer,
        from_time -> BigInt,
        until_time -> BigInt,
        content -> Binary,
        images -> Nullable<BigInt>,
    }
}

table! {
    #[sql_name = "etiqueta_summary_state"]
    summary_state (id) {
        id -> Integer,
        sealed_until -> BigInt,
        version -> BigInt,
    }
}

table! {
    #[sql_name = "etiqueta_summary_change"]
    summary_change (registered_at, id) {
        registered_at -> BigInt,
        id -> Binary,
    }
}

table! {
    #[sql_name = "etiqueta_api_key"]
    api_key (id) {
        id -> Binary,
        digest -> Binary,
        name -> Text,
        scopes -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
    }
}

table! {
    #[sql_name = "etiqueta_session"]
    session (token) {
        token -> Binary,
        api_key -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

table! {
    #[sql_name = "etiqueta_request"]
    request (id) {
        id -> Binary,
        fingerprint -> Binary,
        fence -> BigInt,
        outcome -> Nullable<Binary>,
        expires_at -> BigInt,
    }
}

table! {
    #[sql_name = "etiqueta_backfill"]
    backfill (id) {
        id -> Integer,
        place -> Binary,
        begun_at -> BigInt,
        done_at -> Nullable<BigInt>,
    }
}

table! {
    #[sql_name = "etiqueta_job_counter"]
    job_counter (id) {
        id -> Integer,
        number -> BigInt,
    }
}

table! {
    #[sql_name = "etiqueta_job"]
    job (id) {
        id -> Binary,
        number -> BigInt,
        kind -> Integer,
        state -> Integer,
        dry_run -> Integer,
        total -> BigInt,
        done -> BigInt,
        failed -> BigInt,
        changed -> BigInt,
        position -> Nullable<Binary>,
        pauses -> Integer,
        fence -> BigInt,
        leased_until -> BigInt,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
    }
}

table! {
    #[sql_name = "etiqueta_job_detail"]
    job_detail (job_id) {
        job_id -> Binary,
        request -> Binary,
        last_image -> Nullable<Binary>,
        errors -> Nullable<Binary>,
        more -> BigInt,
    }
}

table! {
    #[sql_name = "etiqueta_job_tag"]
    job_tag (job_id, label_id) {
        job_id -> Binary,
        label_id -> Integer,
        gained -> BigInt,
        lost -> BigInt,
        moved -> BigInt,
        sum_of_moves -> Double,
    }
}

table! {
    #[sql_name = "etiqueta_vocabulary_state"]
    vocabulary_state (id) {
        id -> Integer,
        version -> BigInt,
    }
}

table! {
    #[sql_name = "etiqueta_vocabulary_word"]
    vocabulary_word (folded) {
        folded -> Text,
        text -> Text,
        entry -> Text,
        detail -> Nullable<Binary>,
    }
}

table! {
    #[sql_name = "etiqueta_feature"]
    feature (id) {
        id -> BigInt,
        digest -> Binary,
        model -> Binary,
        code -> Binary,
    }
}

table! {
    #[sql_name = "etiqueta_feature_vector"]
    feature_vector (id) {
        id -> BigInt,
        vector -> Binary,
    }
}

table! {
    #[sql_name = "etiqueta_webhook"]
    webhook (id) {
        id -> Binary,
        slot -> Integer,
        url -> Text,
        events -> Text,
        secret -> Binary,
        state -> Integer,
        paused_until -> BigInt,
        created_at -> BigInt,
    }
}

table! {
    #[sql_name = "etiqueta_delivery"]
    delivery (id) {
        id -> Binary,
        webhook_id -> Binary,
        state -> Integer,
        due_at -> BigInt,
        fence -> BigInt,
        event -> Integer,
        subject -> Binary,
        happened_at -> BigInt,
        attempts -> Integer,
        tried_at -> BigInt,
        error -> Nullable<Text>,
    }
}

table! {
    // Diesel's own column.
    #[sql_name = "__diesel_schema_migrations"]
    migration (version) {
        version -> Text,
    }
}

joinable!(image -> original (original_id));
joinable!(image_tag -> label (label_id));
joinable!(job_tag -> label (label_id));
allow_tables_to_appear_in_same_query!(original, image);
allow_tables_to_appear_in_same_query!(image_tag, label);
allow_tables_to_appear_in_same_query!(job_tag, label);
